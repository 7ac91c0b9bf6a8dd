//! Bytes to text: byte order marks, then UTF-8, then the encodings that offices still write (EUC-KR,
//! Shift_JIS, GB18030, Big5, Windows-125x), guessed from the bytes. Used by every text format.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

use crate::ExtractError;
use crate::format::looks_like_text;

/// Bytes looked at to guess an encoding. More cost time and hardly change the guess.
const GUESS_BYTES: usize = 256 * 1024;

/// Decodes a text file.
///
/// # Errors
/// `Damaged` where the bytes are no text in any known encoding.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, ExtractError> {
    decode_labelled(bytes, None)
}

/// Decodes text whose sender named its encoding. A byte order mark goes before the name, valid UTF-8
/// too: pages named as Latin-1 that are UTF-8 are common, text in another encoding that happens to be
/// valid UTF-8 with non-ASCII letters is not.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_labelled(
    bytes: &[u8],
    label: Option<&'static Encoding>,
) -> Result<String, ExtractError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return Ok(text.into_owned());
    }
    if !looks_like_text(bytes) {
        return Err(ExtractError::damaged("it is not text"));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let encoding = label.unwrap_or_else(|| guess(bytes));
    let (text, _, _) = encoding.decode(bytes);
    // A few broken letters happen in real files; text that is mostly broken is none.
    let broken = text
        .chars()
        .filter(|&c| c == char::REPLACEMENT_CHARACTER)
        .count();
    if broken * 10 > text.chars().count() {
        return Err(ExtractError::damaged("it is not text in a known encoding"));
    }
    Ok(text.into_owned())
}

/// The likeliest encoding of text without any mark.
fn guess(bytes: &[u8]) -> &'static Encoding {
    // A UTF-8 file with a few broken bytes stays UTF-8: its valid letters beyond ASCII outnumber them.
    if let Some(ratio) = broken_utf8(bytes)
        && ratio < 0.05
    {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let head = &bytes[..bytes.len().min(GUESS_BYTES)];
    detector.feed(head, head.len() == bytes.len());
    detector.guess(None, Utf8Detection::Allow)
}

/// Broken sequences per valid letter beyond ASCII, `None` where there is no such letter.
fn broken_utf8(bytes: &[u8]) -> Option<f64> {
    let (mut broken, mut valid) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    (valid > 0).then(|| broken as f64 / valid as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KOREAN: &str =
        "제품을 받은 날부터 30일 안에 반품할 수 있습니다. 배송비는 고객이 부담합니다.";
    const JAPANESE: &str =
        "商品到着後30日以内であれば返品できます。送料はお客様のご負担となります。";
    const CHINESE: &str = "收到商品后三十天内可以退货。运费由客户承担。请保留购买凭证。";
    const GERMAN: &str =
        "Für die Rückgabe gilt eine Frist von 30 Tagen; größere Geräte holen wir ab.";

    const RUSSIAN: &str = "Товар можно вернуть в течение 30 дней. Доставку оплачивает покупатель.";
    const GREEK: &str = "Μπορείτε να επιστρέψετε το προϊόν εντός 30 ημερών από την παραλαβή.";
    const TAIWANESE: &str = "收到商品後三十天內可以退貨。運費由客戶承擔,請保留購買憑證。";

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(decode(bytes).as_deref(), Ok(expected));
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(to_bytes)
            .collect()
    }

    #[test]
    fn common_encodings_are_read() {
        for text in [KOREAN, JAPANESE, CHINESE, GERMAN] {
            check(text.as_bytes(), text);
            check(format!("\u{feff}{text}").as_bytes(), text);
            check(&utf16(text, u16::to_le_bytes), text);
            check(&utf16(text, u16::to_be_bytes), text);
        }
        for (text, encoding) in [
            (KOREAN, encoding_rs::EUC_KR),
            (JAPANESE, encoding_rs::SHIFT_JIS),
            (JAPANESE, encoding_rs::EUC_JP),
            (CHINESE, encoding_rs::GB18030),
            (TAIWANESE, encoding_rs::BIG5),
            (GERMAN, encoding_rs::WINDOWS_1252),
            (RUSSIAN, encoding_rs::WINDOWS_1251),
            (GREEK, encoding_rs::WINDOWS_1253),
        ] {
            let (bytes, _, _) = encoding.encode(text);
            check(&bytes, text);
        }
    }

    #[test]
    fn one_broken_byte_does_not_change_the_encoding() {
        let mut bytes = KOREAN.as_bytes().to_vec();
        bytes.push(0xff);
        check(&bytes, &format!("{KOREAN}\u{fffd}"));
    }

    #[test]
    fn binary_is_refused() {
        for bytes in [&b"\0\x01\x02"[..], b"abc\0def", &[7; 50]] {
            assert!(
                matches!(decode(bytes), Err(ExtractError::Damaged(_))),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_label_helps_short_text() {
        let (bytes, _, _) = encoding_rs::EUC_KR.encode("반품");
        assert_eq!(
            decode_labelled(&bytes, Some(encoding_rs::EUC_KR)).as_deref(),
            Ok("반품")
        );
    }
}
