"""Makes the test files that need Python; called by make.sh."""
import datetime

import docx
import openpyxl
from reportlab.lib.pagesizes import A4
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
