//! A minimal PDF: pages of lines in Helvetica (ISO 32000-1, 7.5 and 9.4).

/// A PDF of `lines` (ASCII), so many a page, none of them compressed.
pub fn write(lines: &[String], per_page: usize) -> Vec<u8> {
    let pages: Vec<&[String]> = lines.chunks(per_page).collect();
    // Objects 1 to 3 are the catalog, the page tree and the font; each page is two, itself and its text.
    let kids: Vec<String> = (0..pages.len())
        .map(|page| format!("{} 0 R", 4 + 2 * page))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            kids.join(" "),
            pages.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    for (page, lines) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] \
             /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * page
        ));
        let shown: String = lines
            .iter()
            .map(|line| format!("({}) Tj T*\n", escaped(line)))
            .collect();
        let text = format!("BT /F1 11 Tf 56 780 Td 16 TL\n{shown}ET");
        objects.push(format!(
            "<< /Length {} >>\nstream\n{text}\nendstream",
            text.len()
        ));
    }
    assemble(&objects)
}

fn assemble(objects: &[String]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", index + 1).as_bytes());
    }
    let start = file.len();
    let trailer = format!(
        "{table}trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    file.extend_from_slice(trailer.as_bytes());
    file
}

fn escaped(line: &str) -> String {
    line.replace('\\', "\\\\")
        .replace('(', "\\(")
        .replace(')', "\\)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_points_at_the_objects() {
        let lines = ["one (1)", "two", "three"].map(str::to_owned);
        let file = String::from_utf8(write(&lines, 2)).unwrap();
        let (_, table) = file.split_once("xref\n0 ").unwrap();
        let offsets: Vec<usize> = table
            .lines()
            .filter_map(|line| line.strip_suffix(" 00000 n ")?.parse().ok())
            .collect();
        assert_eq!(offsets.len(), 3 + 2 * 2);
        for (index, offset) in offsets.iter().enumerate() {
            assert!(file[*offset..].starts_with(&format!("{} 0 obj\n", index + 1)));
        }
        assert!(file.contains(r"(one \(1\)) Tj"));
    }
}
