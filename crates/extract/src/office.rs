//! Word documents, presentations and workbooks, through office_oxide, after their packing has been checked.

mod slides;

use std::io::Cursor;

use office_oxide::OfficeError;
use office_oxide::format::DocumentFormat;
use office_oxide::options::ParseOptions;
use office_oxide::xls::XlsError;
use office_oxide::xlsx::XlsxDocument;
use office_oxide::xlsx::workbook::SheetState;
use office_oxide::xlsx::worksheet::Worksheet;

use crate::guard::{self, Abandoned};
use crate::record::{RecordWriter, sheet_heading};
use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Format, Limits, archive, html};

/// Reads a Word document.
pub(crate) fn read_docx(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    archive::open(bytes, Format::Docx, limits)?;
    read_package(bytes, Format::Docx, limits, |document, limits, _| {
        let mut sink = BlockSink::new(limits);
        if let Some(title) = document.to_ir().metadata.title {
            sink.set_title(&title);
        }
        // Its HTML rather than its Markdown: text needs no escaping there, and cells keep their blocks.
        html::read_fragment_into(&document.to_html(), &mut sink)?;
        Ok(sink.finish())
    })
}

/// Reads a PowerPoint presentation.
pub(crate) fn read_pptx(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    archive::open(bytes, Format::Pptx, limits)?;
    read_package(bytes, Format::Pptx, limits, |document, limits, _| {
        let presentation = document
            .as_pptx()
            .ok_or_else(|| ExtractError::damaged("it holds no slides"))?;
        let mut sink = BlockSink::new(limits);
        if let Some(title) = document.to_ir().metadata.title {
            sink.set_title(&title);
        }
        slides::read_into(presentation, &mut sink)?;
        Ok(sink.finish())
    })
}

/// Reads a workbook of Excel 97 to 2003, as [`read_xlsx`] does.
pub(crate) fn read_xls(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    read_package(bytes, Format::Xls, limits, |document, limits, abandoned| {
        let workbook = document
            .as_xls()
            .ok_or_else(|| ExtractError::damaged("it holds no sheets"))?;
        let mut sink = BlockSink::new(limits);
        for sheet in workbook.sheets.iter().filter(|sheet| !sheet.hidden) {
            if let Some(heading) = sheet_heading(&sheet.name, workbook.sheets.len()) {
                sink.push(BlockKind::Heading(2), heading)?;
            }
            let mut writer = RecordWriter::new();
            for row in 0..sheet.rows.len() {
                abandoned.check()?;
                let cells = 0..sheet.rows[row].len();
                let cells = cells.filter_map(|column| {
                    Some((column, sheet.display_text(row, column)?.into_owned()))
                });
                writer.row(&cells.collect::<Vec<_>>(), &mut sink)?;
            }
            writer.finish(&mut sink)?;
        }
        Ok(sink.finish())
    })
}

/// Reads an Excel workbook: each sheet under its name, each row a record.
pub(crate) fn read_xlsx(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    archive::open(bytes, Format::Xlsx, limits)?;
    read_package(
        bytes,
        Format::Xlsx,
        limits,
        |document, limits, abandoned| {
            let workbook = document
                .as_xlsx()
                .ok_or_else(|| ExtractError::damaged("it holds no sheets"))?;
            let mut sink = BlockSink::new(limits);
            for (place, sheet) in workbook.worksheets.iter().enumerate() {
                // What its author hid from readers of the workbook is hidden from a chatbot's visitors too.
                let info = workbook.workbook.sheets.get(place);
                if info.is_some_and(|info| info.state != SheetState::Visible) {
                    continue;
                }
                if let Some(heading) = sheet_heading(&sheet.name, workbook.worksheets.len()) {
                    sink.push(BlockKind::Heading(2), heading)?;
                }
                read_sheet(workbook, sheet, &mut sink, abandoned)?;
            }
            Ok(sink.finish())
        },
    )
}

fn read_package(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    read: impl FnOnce(&office_oxide::Document, &Limits, &Abandoned) -> Result<Document, ExtractError>
    + Send
    + 'static,
) -> Result<Document, ExtractError> {
    let owned = Cursor::new(bytes.to_vec());
    let limits_there = limits.clone();
    guard::run(limits, move |abandoned| {
        let kind = match format {
            Format::Xlsx => DocumentFormat::Xlsx,
            Format::Pptx => DocumentFormat::Pptx,
            Format::Xls => DocumentFormat::Xls,
            _ => DocumentFormat::Docx,
        };
        let options = parse_options(&limits_there);
        let document = office_oxide::Document::from_reader_with(owned, kind, &options)
            .map_err(|error| reason(&error))?;
        abandoned.check()?;
        read(&document, &limits_there, abandoned)
    })
}

fn reason(error: &OfficeError) -> ExtractError {
    match error {
        OfficeError::Xls(XlsError::Encrypted) => ExtractError::Password("file"),
        _ => ExtractError::damaged("its contents could not be understood"),
    }
}

fn parse_options(limits: &Limits) -> ParseOptions {
    let mut options = ParseOptions::default();
    options.limits = office_oxide::limits::Limits::strict();
    options.limits.package_bytes = limits.max_unpacked_bytes;
    options.limits.part_bytes = limits.max_unpacked_bytes;
    options.limits.package_entries = limits.max_entries;
    options.limits.text_chars = limits.max_output_chars;
    options
}

fn read_sheet(
    workbook: &XlsxDocument,
    sheet: &Worksheet,
    sink: &mut BlockSink<'_>,
    abandoned: &Abandoned,
) -> Result<(), ExtractError> {
    let mut writer = RecordWriter::new();
    for row in &sheet.rows {
        abandoned.check()?;
        let cells: Vec<(usize, String)> = row
            .cells
            .iter()
            .map(|cell| {
                (
                    cell.reference.col as usize,
                    workbook.format_cell_value(cell),
                )
            })
            .collect();
        writer.row(&cells, sink)?;
    }
    writer.finish(sink)
}
