//! A presentation's slides to blocks: titles as headings, the slide's number as the page, notes after
//! what is shown.

use office_oxide::pptx::PptxDocument;
use office_oxide::pptx::shape::{
    BulletStyle, GraphicContent, Shape, Table, TextBody, TextContent, TextParagraph,
};
use office_oxide::pptx::slide::Slide;

use crate::sink::BlockSink;
use crate::{BlockKind, ExtractError, table};

/// Text that stands on every slide: date, footer, number.
const REPEATED: &[&str] = &["dt", "ftr", "sldNum"];

/// Puts the slides that are shown into a sink.
pub(super) fn read_into(
    presentation: &PptxDocument,
    sink: &mut BlockSink<'_>,
) -> Result<(), ExtractError> {
    for (number, slide) in (1..).zip(&presentation.slides) {
        // What its author hid from an audience is hidden from a chatbot's visitors too.
        if slide.hidden {
            continue;
        }
        sink.set_page(number);
        read_slide(slide, sink)?;
    }
    Ok(())
}

fn read_slide(slide: &Slide, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    let shapes = flat(&slide.shapes);
    // Shapes lie in the order in which they were drawn; the title is read first.
    for is_title in [true, false] {
        for shape in shapes
            .iter()
            .filter(|shape| is_title == self::is_title(shape))
        {
            read_shape(shape, is_title, sink)?;
        }
    }
    if let Some(notes) = &slide.notes {
        let notes: Vec<String> = notes.paragraphs.iter().map(text).collect();
        sink.push(BlockKind::Paragraph, &notes.join("\n"))?;
    }
    Ok(())
}

/// Shapes without their groups, which may lie in one another without end.
fn flat(shapes: &[Shape]) -> Vec<&Shape> {
    let mut flat = Vec::new();
    let mut open: Vec<&Shape> = shapes.iter().rev().collect();
    while let Some(shape) = open.pop() {
        match shape {
            Shape::Group(group) => open.extend(group.children.iter().rev()),
            shape => flat.push(shape),
        }
    }
    flat
}

fn placeholder(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::AutoShape(shape) => shape.placeholder.as_ref()?.ph_type.as_deref(),
        _ => None,
    }
}

fn is_title(shape: &Shape) -> bool {
    matches!(placeholder(shape), Some("title" | "ctrTitle"))
}

fn read_shape(shape: &Shape, is_title: bool, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    if placeholder(shape).is_some_and(|kind| REPEATED.contains(&kind)) {
        return Ok(());
    }
    match shape {
        Shape::AutoShape(own) => match &own.text_body {
            Some(body) if is_title => {
                let lines: Vec<String> = body.paragraphs.iter().map(text).collect();
                sink.push(BlockKind::Heading(2), &lines.join(" "))
            }
            // Bullets are what paragraphs of a placeholder inherit; those of a text box are plain.
            Some(body) => read_text(body, own.placeholder.is_some(), sink),
            None => Ok(()),
        },
        Shape::Picture(picture) => sink.push(
            BlockKind::Paragraph,
            picture.alt_text.as_deref().unwrap_or_default(),
        ),
        Shape::GraphicFrame(frame) => match &frame.content {
            GraphicContent::Table(rows) => sink.push(BlockKind::Table, &table::render(&grid(rows))),
            GraphicContent::Text(lines) => sink.push(BlockKind::Paragraph, &lines.join("\n")),
            _ => Ok(()),
        },
        Shape::Group(_) | Shape::Connector(_) => Ok(()),
    }
}

fn read_text(
    body: &TextBody,
    is_bulleted: bool,
    sink: &mut BlockSink<'_>,
) -> Result<(), ExtractError> {
    let shown = body
        .paragraphs
        .iter()
        .filter(|p| !text(p).trim().is_empty());
    let is_list = is_bulleted && shown.count() > 1;
    let mut list = String::new();
    let mut number = 0;
    for paragraph in &body.paragraphs {
        let text = text(paragraph);
        if text.trim().is_empty() {
            continue;
        }
        let mark = match &paragraph.bullet {
            Some(BulletStyle::None) => None,
            Some(BulletStyle::AutoNum { .. }) => {
                number += 1;
                Some(format!("{number}. "))
            }
            Some(_) => Some("- ".to_owned()),
            None => is_list.then(|| "- ".to_owned()),
        };
        match mark {
            Some(mark) => {
                let indent = "  ".repeat(paragraph.level.min(8) as usize);
                list.push_str(&format!("{indent}{mark}{}\n", text.replace('\n', " ")));
            }
            None => {
                sink.push(BlockKind::List, &std::mem::take(&mut list))?;
                sink.push(BlockKind::Paragraph, &text)?;
            }
        }
    }
    sink.push(BlockKind::List, &list)
}

fn text(paragraph: &TextParagraph) -> String {
    let mut text = String::new();
    for content in &paragraph.content {
        match content {
            TextContent::Run(run) => text.push_str(&run.text),
            TextContent::LineBreak => text.push('\n'),
            TextContent::Field(field) => text.push_str(&field.text),
        }
    }
    text
}

fn grid(table: &Table) -> Vec<Vec<String>> {
    let cell = |body: &Option<TextBody>| match body {
        Some(body) => body
            .paragraphs
            .iter()
            .map(text)
            .collect::<Vec<_>>()
            .join("\n"),
        None => String::new(),
    };
    let row = |row: &office_oxide::pptx::shape::TableRow| {
        row.cells.iter().map(|own| cell(&own.text_body)).collect()
    };
    table.rows.iter().map(row).collect()
}
