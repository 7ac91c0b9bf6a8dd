//! What rows become.

use proptest::prelude::*;

use super::*;
use crate::BlockKind;

#[track_caller]
fn check(csv: &[u8], expected: &[&str]) {
    let document = read(csv, &Limits::default()).expect("readable");
    let texts: Vec<_> = document
        .blocks
        .iter()
        .map(|block| block.text.as_str())
        .collect();
    assert_eq!(texts, expected);
}

#[test]
fn rows_become_records() {
    check(
        b"Part,Price\nGasket,4.50\n\"Hose, long\",12\n",
        &["Part: Gasket; Price: 4.50", "Part: Hose, long; Price: 12"],
    );
    check(b"Part;Price\nGasket;4,50\n", &["Part: Gasket; Price: 4,50"]);
    check(
        b"Part\tPrice\nGasket\t4,50\n",
        &["Part: Gasket; Price: 4,50"],
    );
    check(
        b"Part,,Price\nGasket,spare,\n,,\n",
        &["Part: Gasket; spare"],
    );
    check(
        "부품,가격\n개스킷,\"4,500원\"\n".as_bytes(),
        &["부품: 개스킷; 가격: 4,500원"],
    );
    let (euc_kr, _, _) =
        encoding_rs::EUC_KR.encode("부품,가격,설명\n개스킷,4500,고무로 만든 부품입니다\n");
    check(
        &euc_kr,
        &["부품: 개스킷; 가격: 4500; 설명: 고무로 만든 부품입니다"],
    );
}

#[test]
fn long_rows_stand_on_several_lines() {
    let answer = "You may return it. ".repeat(15);
    let file = format!("question,answer\nHow?,{answer}\nWhy?,\"one\ntwo\"\n");
    check(
        file.as_bytes(),
        &[
            &format!("question: How?\nanswer: {}", answer.trim()),
            "question: Why?\nanswer: one\ntwo",
        ],
    );
}

#[test]
fn headers_are_not_invented() {
    check(b"1,2\n3,4\n", &["1; 2", "3; 4"]);
    check(
        b"Price list 2026,\n,\nPart,Price\nGasket,4\n",
        &["Price list 2026", "Part: Gasket; Price: 4"],
    );
    check(b"only\none\ncolumn\n", &["only", "one", "column"]);
    check(b"Part,Price\n", &["Part; Price"]);
    check(b"a,b\n1,2,3\n4\n", &["a: 1; b: 2; 3", "a: 4"]);
}

#[test]
fn a_row_without_end_is_refused() {
    let row = |cells: usize| "1,".repeat(cells - 1) + "1\n";
    read(row(MAX_CELLS).as_bytes(), &Limits::default()).expect("within the limit");
    let error = read(row(MAX_CELLS + 1).as_bytes(), &Limits::default()).expect_err("too long");
    let expected = "The file is too large: one of its rows has more than 65536 cells.";
    assert_eq!(error.to_string(), expected);
}

proptest! {
    #[test]
    fn any_text_is_read(csv in "([a-c1\",;\t\n|]|\\PC){0,200}") {
        let document = read(csv.as_bytes(), &Limits::default()).expect("all text is CSV");
        prop_assert!(document.blocks.iter().all(|block| matches!(block.kind, BlockKind::Record | BlockKind::Paragraph)));
    }
}
