//! Leading thoughts are taken out, however the pieces fall.

use super::*;

/// What comes out when `input` comes in pieces of any size.
#[track_caller]
fn check(input: &str, expected: &str) {
    let characters: Vec<char> = input.chars().collect();
    for size in 1..=characters.len().max(1) {
        let mut filter = ThinkingFilter::default();
        let mut out = String::new();
        for piece in characters.chunks(size) {
            out += &filter.pass(piece.iter().collect());
        }
        out += &filter.rest();
        assert_eq!(out, expected, "in pieces of {size}");
    }
}

#[test]
fn leading_thinking_is_taken_out() {
    check("<think>hm</think>Yes.", "Yes.");
    check("\n<think>\n생각 중 🙂…\n</think>\n\n네.", "네.");
    check("<think></think> a </think> b", "a </think> b");
    check("<think>never ends", "");
    check("<think>only thought</think>\n", "");
}

#[test]
fn other_text_is_left_as_it_is() {
    check("", "");
    check("Yes.", "Yes.");
    check("  indented", "  indented");
    check("<thin", "<thin");
    check("<b>bold</b>", "<b>bold</b>");
    check("Use <think>tags</think> so.", "Use <think>tags</think> so.");
}
