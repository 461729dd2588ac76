# LibreOffice: a long document and a table, converted there and back.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need soffice

convert()
{
    under soffice "-env:UserInstallation=file://$PWD/profile" --headless --norestore \
        --convert-to "$@" >&2
}

awk -v n="$(quick 100 600)" 'BEGIN {
    print "<!DOCTYPE html><html><head><title>work</title></head><body>"
    for (i = 0; i < n; i++) {
        if (i % 20 == 0)
            printf "<h1>Chapter %d</h1>\n", i / 20
        printf "<p>Paragraph %d with <b>bold</b> and <i>italic</i> words", i
        for (k = 0; k < i % 60; k++)
            printf " word%d", i * k * 7919 % 10007
        print ".</p>"
        if (i % 30 == 0) {
            print "<table border=1>"
            for (k = 0; k < 10; k++)
                printf "<tr><td>%d</td><td>%d</td><td><ul><li>a%d</li></ul></td></tr>\n", i, k, i * k
            print "</table>"
        }
    }
    print "</body></html>"
}' >work.html
convert odt:writer8 --infilter=HTML_StarWriter work.html
convert docx:"MS Word 2007 XML" work.odt
mkdir back
convert txt:Text --outdir back work.docx
sum_of back/work.txt
wc -l -w <back/work.txt
convert pdf work.odt
head -c 5 work.pdf | tr -d '\0'
echo

awk -v n="$(quick 500 8000)" 'BEGIN {
    for (i = 1; i <= n; i++)
        printf "%d,name%d,%d.%02d,=A%d*C%d,=SUM(A1:A%d)\n", i, i * 7919 % 10007, i % 97, i % 100, i, i,
            i % 50 + 1
}' >table.csv
convert xlsx table.csv
mv table.csv original.csv
convert csv table.xlsx
sum_of table.csv
tail -n 1 table.csv
