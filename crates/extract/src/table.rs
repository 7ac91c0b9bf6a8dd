//! Tables as Markdown rows, the one layout in which every reader hands them on and the chunker cuts
//! them.

use crate::sink::one_line;

/// Rows of cells to a Markdown table, the first row as its header. Blank rows and columns that are
/// blank throughout are left out; short rows are filled up.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| one_line(cell).replace('|', "\\|"))
                .collect()
        })
        .filter(|row: &Vec<String>| row.iter().any(|cell| !cell.is_empty()))
        .collect();
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let used: Vec<usize> = (0..width)
        .filter(|&column| {
            rows.iter()
                .any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let mut table = String::new();
    for (place, row) in rows.iter().enumerate() {
        for &column in &used {
            table.push_str("| ");
            table.push_str(row.get(column).map_or("", String::as_str));
            table.push(' ');
        }
        table.push_str("|\n");
        if place == 0 {
            table.push_str(&"| --- ".repeat(used.len()));
            table.push_str("|\n");
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &[&[&str]], expected: &str) {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect();
        assert_eq!(render(&rows), expected);
    }

    #[test]
    fn tables_are_rendered() {
        check(
            &[&["Part", "Price"], &["Gasket", "4 €"]],
            "| Part | Price |\n| --- | --- |\n| Gasket | 4 € |\n",
        );
        check(&[&["a|b", "c\nd"]], "| a\\|b | c d |\n| --- | --- |\n");
        check(
            &[&["a", "", "b"], &["", "", ""], &["c"]],
            "| a | b |\n| --- | --- |\n| c |  |\n",
        );
        check(&[&["", ""]], "");
        check(&[], "");
    }
}
