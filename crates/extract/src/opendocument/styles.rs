//! What styles say that a reader needs: which lists are numbered, which sheets are hidden.

use std::collections::HashSet;

use crate::xml::{Piece, Pieces, attribute, name};
use crate::{ExtractError, Limits};

/// Names of styles by what they mean.
#[derive(Default)]
pub(super) struct Styles {
    numbered: HashSet<String>,
    hidden: HashSet<String>,
}

impl Styles {
    /// Learns the styles that a part defines.
    pub(super) fn add(&mut self, xml: &str, limits: &Limits) -> Result<(), ExtractError> {
        let mut pieces = Pieces::of(xml, limits);
        let mut open = None;
        while let Some(piece) = pieces.next()? {
            let Piece::Open(tag) = piece else {
                continue;
            };
            match name(&tag) {
                "style:style" | "text:list-style" => open = attribute(&tag, "style:name"),
                "text:list-level-style-number"
                    if attribute(&tag, "text:level").as_deref() == Some("1")
                        && attribute(&tag, "style:num-format").is_some_and(|f| !f.is_empty()) =>
                {
                    self.numbered.extend(open.clone());
                }
                "style:table-properties"
                    if attribute(&tag, "table:display").as_deref() == Some("false") =>
                {
                    self.hidden.extend(open.clone());
                }
                // Nothing after it defines a style.
                "office:body" => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a list of this style is numbered.
    pub(super) fn is_numbered(&self, style: &str) -> bool {
        self.numbered.contains(style)
    }

    /// Whether a sheet of this style is hidden.
    pub(super) fn is_hidden(&self, style: &str) -> bool {
        self.hidden.contains(style)
    }
}
