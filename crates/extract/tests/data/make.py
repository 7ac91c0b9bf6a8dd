"""Makes the test files that need Python; called by make.sh."""
import datetime

import docx
import openpyxl
from ebooklib import epub
from pptx import Presentation
from pptx.util import Inches
from reportlab import platypus
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

KOREAN = [
    "제품을 받은 날부터 30일 이내에 반품할 수 있습니다.",
    "반품 배송비는 회사가 부담합니다.",
    "보증 기간은 2년입니다.",
]

pdfmetrics.registerFont(UnicodeCIDFont("HYSMyeongJo-Medium"))
page = canvas.Canvas("korean-cid.pdf", pagesize=A4, invariant=1)
page.setFont("HYSMyeongJo-Medium", 18)
page.drawString(72, 770, "반품과 보증")
page.setFont("HYSMyeongJo-Medium", 12)
for line, text in enumerate(KOREAN):
    page.drawString(72, 730 - 20 * line, text)
page.save()

page = canvas.Canvas("chapters.pdf", pagesize=A4, invariant=1)
for chapter in range(1, 6):
    page.setFont("Helvetica-Bold", 18)
    page.drawString(72, 770, f"Chapter {chapter}")
    page.setFont("Helvetica", 11)
    page.drawString(72, 740, f"This is what there is to say about matter number {chapter}.")
    page.showPage()
page.save()

with open("euc-kr.txt", "wb") as file:
    file.write("\r\n\r\n".join(KOREAN).encode("euc-kr"))

guide = docx.Document()
guide.core_properties.title = "Fern Kettle Guide"
guide.add_heading("Fern Kettle Guide", level=1)
guide.add_paragraph("The Fern Kettle boils one litre of water in three minutes.")
guide.add_heading("Filling", level=2)
for step in ["Take the kettle off its base.", "Fill in cold water."]:
    guide.add_paragraph(step, style="List Number")
guide.add_heading("반품 안내", level=2)
guide.add_paragraph(KOREAN[0])
guide.add_heading("Spare parts", level=2)
table = guide.add_table(rows=1, cols=3)
rows = [("Part", "Number", "Price"), ("Lid", "FK-10", "6.50"), ("Filter | fine", "FK-11", "3.20")]
for place, row in enumerate(rows):
    cells = table.rows[0].cells if place == 0 else table.add_row().cells
    for cell, text in zip(cells, row):
        cell.text = text
guide.save("guide.docx")

book = openpyxl.Workbook()
parts = book.active
parts.title = "Parts"
parts.append(["Fern Kettle spare parts"])
parts.append([])
parts.append(["Part", "Number", "Price", "In stock", "Value", "Counted on"])
for row, (part, number, price, stock) in enumerate([("Lid", "FK-10", 6.5, 12), ("Filter", "FK-11", 3.2, 40)], start=4):
    parts.append([part, number, price, stock, f"=C{row}*D{row}", datetime.date(2026, 3, 9)])
    parts[f"C{row}"].number_format = "0.00"
    parts[f"F{row}"].number_format = "yyyy-mm-dd"
shipping = book.create_sheet("배송비")
shipping.append(["지역", "배송비", "할인"])
shipping.append(["서울", "3,000원", 0.1])
shipping["C2"].number_format = "0%"
hidden = book.create_sheet("Costs")
hidden.append(["Part", "Cost"])
hidden.append(["Lid", 1.1])
hidden.sheet_state = "hidden"
book.save("parts-raw.xlsx")

deck = Presentation()
slide = deck.slides.add_slide(deck.slide_layouts[0])
slide.shapes.title.text = "Fern Kettle Training"
slide.placeholders[1].text = "For the shop"
slide = deck.slides.add_slide(deck.slide_layouts[1])
slide.shapes.title.text = "Returns 반품"
body = slide.placeholders[1].text_frame
body.text = "Within 30 days"
inner = body.add_paragraph()
inner.text, inner.level = "In the box", 1
slide.notes_slide.notes_text_frame.text = "Say that the label is free."
slide = deck.slides.add_slide(deck.slide_layouts[5])
slide.shapes.title.text = "Spare parts"
table = slide.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
for place, row in enumerate([("Part", "Price"), ("Lid", "6.50"), ("Filter", "3.20")]):
    for column, text in enumerate(row):
        table.cell(place, column).text = text
box = slide.shapes.add_textbox(Inches(1), Inches(5), Inches(4), Inches(1))
box.text_frame.text = "Prices hold until March."
deck.core_properties.title = "Kettle training"
deck.save("slides.pptx")

novel = epub.EpubBook()
novel.set_identifier("fern-kettle")
novel.set_title("The Kettle Book")
novel.set_language("en")
chapters = []
for number, (title, text) in enumerate([
    ("Returns", "<h1>Returns</h1><p>Within 30 days.</p>"),
    ("반품", "<h1>반품</h1><p>30일 이내에 반품할 수 있습니다.</p><table><tr><th>Part</th><th>Price</th></tr>"
             "<tr><td>Lid</td><td>6.50</td></tr></table>"),
]):
    chapter = epub.EpubHtml(title=title, file_name=f"c {number}.xhtml", lang="en")
    chapter.content = text
    novel.add_item(chapter)
    chapters.append(chapter)
novel.toc = chapters
novel.add_item(epub.EpubNcx())
novel.add_item(epub.EpubNav())
novel.spine = ["nav"] + chapters
epub.write_epub("book.epub", novel)


def furniture(canvas, document):
    canvas.setFont("Helvetica", 8)
    canvas.drawString(20 * mm, 285 * mm, "Fern Kettle Company - Service manual")
    canvas.drawString(20 * mm, 10 * mm, "Confidential")
    canvas.drawRightString(190 * mm, 10 * mm, f"Page {document.page} of 9")


report = platypus.BaseDocTemplate("columns.pdf", pagesize=A4)
columns = [platypus.Frame(left * mm, 20 * mm, 80 * mm, 255 * mm) for left in (20, 110)]
report.addPageTemplates([platypus.PageTemplate(frames=columns, onPage=furniture)])
look = getSampleStyleSheet()
story = []
for part in range(1, 70):
    story.append(platypus.Paragraph(f"Part {part}", look["Heading3"]))
    story.append(platypus.Paragraph(
        f"Paragraph {part} begins here and explains the guarantee of machine number {part}, which is extraordinarily "
        "comprehensive and lasts for three years after the delivery date, whatever happens to the manufacturer in the "
        f"meantime; paragraph {part} ends here.", look["BodyText"]))
report.build(story)
