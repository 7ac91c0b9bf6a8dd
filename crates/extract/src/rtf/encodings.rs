//! The code pages and character sets that RTF names by number.

use encoding_rs::{self as known, Encoding};

/// The encoding of a Windows code page; Western European where it is none that is known.
pub(super) fn of_code_page(number: i32) -> &'static Encoding {
    match number {
        874 => known::WINDOWS_874,
        932 => known::SHIFT_JIS,
        936 | 54936 => known::GB18030,
        949 | 1361 => known::EUC_KR,
        950 => known::BIG5,
        866 => known::IBM866,
        1250 => known::WINDOWS_1250,
        1251 => known::WINDOWS_1251,
        1253 => known::WINDOWS_1253,
        1254 => known::WINDOWS_1254,
        1255 => known::WINDOWS_1255,
        1256 => known::WINDOWS_1256,
        1257 => known::WINDOWS_1257,
        1258 => known::WINDOWS_1258,
        10000 => known::MACINTOSH,
        65001 => known::UTF_8,
        _ => known::WINDOWS_1252,
    }
}

/// The encoding of a font's character set; `None` where it is the document's.
pub(super) fn of_charset(number: i32) -> Option<&'static Encoding> {
    Some(of_code_page(match number {
        0 => 1252,
        77 => 10000,
        128 => 932,
        129 | 130 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    }))
}
