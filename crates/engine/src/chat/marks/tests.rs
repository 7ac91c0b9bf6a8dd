//! Marks are taken out of an answer, however it is cut.

use super::*;

/// The text that is shown, the numbers cited and the questions proposed of an answer, cut in every way into two
/// pieces, into characters, and left whole.
fn read(text: &str, numbers: &[u32]) -> (String, Vec<u32>, Marks) {
    let read = |pieces: &[&str]| {
        let mut marks = Marks::new(numbers.to_vec(), true);
        let mut shown: String = pieces.iter().map(|piece| marks.push(piece)).collect();
        shown.push_str(&marks.end());
        shown.truncate(shown.trim_end().len());
        (shown, marks)
    };
    let (whole, marks) = read(&[text]);
    let cuts = text.char_indices().map(|(at, _)| at);
    for cut in cuts {
        let (shown, other) = read(&[&text[..cut], &text[cut..]]);
        assert_eq!(shown, whole, "cut at {cut}: {text:?}");
        assert_eq!(other.cited(), marks.cited(), "cut at {cut}: {text:?}");
        assert_eq!(other.proposed(), marks.proposed(), "cut at {cut}: {text:?}");
    }
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(read(&letters).0, whole, "letter by letter: {text:?}");
    let cited = marks.cited().iter().map(|mark| mark.number).collect();
    (whole, cited, marks)
}

#[test]
fn marks_leave_the_text_and_are_kept() {
    let check = |text: &str, shown: &str, cited: &[u32]| {
        let (got, numbers, _) = read(text, &[1, 2, 3]);
        assert_eq!(
            (got.as_str(), numbers.as_slice()),
            (shown, cited),
            "{text:?}"
        );
    };
    check("Thirty days [1].", "Thirty days.", &[1]);
    check(
        "Thirty days.[1] Free. [2][3]",
        "Thirty days. Free.",
        &[1, 2, 3],
    );
    check(
        "Thirty days [1, 2] and [3; 1] so on",
        "Thirty days and so on",
        &[1, 2, 3, 1],
    );
    check("삼십 일입니다 [2].", "삼십 일입니다.", &[2]);
    check("三十日です。【1】", "三十日です。", &[1]);
    check("A footnote.[^2]", "A footnote.", &[2]);
    check("Three.【1; 2】 [^3, 1]", "Three.", &[1, 2, 3, 1]);
    check("[1] Thirty days.", "Thirty days.", &[1]);
    check(
        "- One [1]\n- Two [2]\n\nEnd",
        "- One\n- Two\n\nEnd",
        &[1, 2],
    );
    check("One.\n[1]\n\nTwo.\n\n[2]\n", "One.\n\n\nTwo.", &[1, 2]);
    check("Nothing of that kind. [none]", "Nothing of that kind.", &[]);
    check("[none]", "", &[]);
}

#[test]
fn other_brackets_are_text() {
    for text in [
        "[link](https://a.example) and [1](https://a.example)",
        "In [2024] and [4]",
        "an [open one",
        "[",
        "[[x]]",
        "[1 of 3]",
        "[1, 4] and 【1; 9】",
        "- [ ] to do\n- [x] done",
        "Use `list[1]` and ``a ` [2]``",
        "```js\nlet a = b[1];\n```",
        "[nonesuch] [next week]",
        "a  b\n\n  c",
    ] {
        let (shown, cited, marks) = read(text, &[1, 2, 3]);
        assert_eq!(shown, text);
        assert_eq!((cited, marks.declined()), (vec![], false), "{text}");
    }
}

#[test]
fn code_that_was_never_closed_ends_with_its_paragraph() {
    let (shown, cited, _) = read("A ` mark [1].\n\nAnother [2].", &[1, 2]);
    assert_eq!(
        (shown.as_str(), cited),
        ("A ` mark [1].\n\nAnother.", vec![2])
    );
}

#[test]
fn a_mark_knows_where_it_stood() {
    let (shown, _, marks) = read("One. [1] Two. [2]", &[1, 2]);
    let before: Vec<&str> = marks.cited().iter().map(|mark| &shown[..mark.at]).collect();
    assert_eq!(before, ["One.", "One. Two."]);
}

#[test]
fn declining_and_citing_at_once_is_no_refusal() {
    assert!(read("I don't know. [none]", &[1]).2.declined());
    assert!(
        !read("It is free [1]; of the rest I know nothing. [none]", &[1])
            .2
            .declined()
    );
}

#[test]
fn proposed_questions_are_taken_off_the_end() {
    let text = "It is free. [1]\n\n[next] How long does it take?\n[next] - \"도서 지역은요?\"\n\n[next]\n[next] c\n[next] d";
    let (shown, _, marks) = read(text, &[1]);
    assert_eq!(shown, "It is free.");
    assert_eq!(
        marks.proposed(),
        ["How long does it take?", "도서 지역은요?", "c"]
    );
    let mut marks = Marks::new(vec![1], false);
    let shown = marks.push("[next] is text where none was asked for") + &marks.end();
    assert_eq!(shown, "[next] is text where none was asked for");
    assert!(marks.proposed().is_empty());
}

#[test]
fn what_can_be_shown_is_not_held_back() {
    let mut marks = Marks::new(vec![1], false);
    assert_eq!(marks.push("Thirty"), "Thirty");
    assert_eq!(marks.push(" days"), " days");
    assert_eq!(marks.push(" [x"), " [x");
    assert_eq!(marks.push(" [1"), "");
    assert_eq!(marks.push("] so"), " so");
    assert_eq!(marks.push(" "), "");
    assert_eq!(marks.push("on"), " on");
}

proptest::proptest! {
    #[test]
    fn any_text_in_any_pieces_reads_the_same(text in "[\\[\\]123 none\n`x(.【】,가]{0,60}", cut in 0..60_usize) {
        let read = |pieces: [&str; 2]| {
            let mut marks = Marks::new(vec![1, 2], true);
            let shown: String = pieces.iter().map(|piece| marks.push(piece)).collect();
            (shown + &marks.end()).trim_end().to_owned()
        };
        let cut = text.floor_char_boundary(cut.min(text.len()));
        proptest::prop_assert_eq!(read([&text, ""]), read([&text[..cut], &text[cut..]]));
    }
}
