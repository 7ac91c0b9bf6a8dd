#!/bin/sh
# Makes the test files again. See README.md for the programs it needs.
set -eu
cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

print() {
    chromium --headless --no-sandbox --no-pdf-header-footer --print-to-pdf="$here/$2" "file://$here/source/$1"
}
office() {
    soffice --headless "-env:UserInstallation=file://$work/profile" --convert-to "$1" --outdir "$work" "$2"
}

python3 make.py
print guide.html guide-chromium.pdf
print korean.html korean-embedded.pdf

office pdf guide.docx
mv "$work/guide.pdf" guide-writer.pdf
office odt guide.docx
office docx "$work/guide.odt"
mv "$work/guide.docx" guide-writer.docx
cp parts-raw.xlsx "$work/parts.xlsx"
office ods "$work/parts.xlsx"
office xlsx "$work/parts.ods"
mv "$work/parts.xlsx" parts.xlsx
office "xls:MS Excel 97" parts.xlsx
office rtf guide.docx
office odp slides.pptx
cp "$work/guide.odt" "$work/guide.rtf" "$work/parts.ods" "$work/parts.xls" "$work/slides.odp" .

qpdf --linearize --object-streams=generate guide-writer.pdf guide-linear.pdf
qpdf --encrypt open-sesame owner 256 -- guide-writer.pdf locked.pdf
qpdf --encrypt "" owner 256 --print=none --extract=n -- guide-writer.pdf restricted.pdf

pdftoppm -r 50 -f 1 -l 1 -gray -png guide-writer.pdf "$work/page"
img2pdf --output scanned.pdf "$work"/page*.png
