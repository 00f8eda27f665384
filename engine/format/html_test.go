package format_test

import (
	"strconv"
	"strings"
	"testing"

	"capd/engine/format"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<div>", 600)
	var formats strings.Builder
	for i := range 400 {
		formats.WriteString("<b id=" + strconv.Itoa(i) + ">")
	}
	check(t, format.HTML, format.Options{Limits: format.Limits{Columns: 5}}, []rule{
		{name: "a table", answer: "<table><thead><tr><th> A <th>B</thead><tbody><tr><td>1<td>2<tr><td>3<td>4</table>", gives: `{"tables":[[{"A":"1","B":"2"},{"A":"3","B":"4"}]]}`},
		{name: "the first row names", answer: "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", gives: `{"tables":[[{"A":"1","B":"2"}]]}`},
		{name: "a thead without th", answer: "<table><thead><tr><td>x</thead><tr><td>1</table><table><thead><tr><td>x</thead><tbody><tr><th>A<tr><td>1</table>", gives: `{"tables":[]}`},
		{name: "a row with th is skipped", answer: "<table><tr><th>A<th>B<tr><th>x<td>1<tr><td>2<td>3</table>", gives: `{"tables":[[{"A":"2","B":"3"}]]}`},
		{name: "a row without td is skipped", answer: "<table><tr><th>A<tr><tr><td>1</table>", gives: `{"tables":[[{"A":"1"}]]}`},
		{name: "short and long rows", answer: "<table><tr><th>A<th>B<tr><td>1<tr><td>2<td>3<td>4</table>", gives: `{"tables":[[{"A":"1","B":""},{"A":"2","B":"3"}]]}`},
		{name: "only rows of tbody", answer: "<table><thead><tr><th>A<tr><td>0</thead><tbody><tr><td>1</tbody><tfoot><tr><td>sum</table>", gives: `{"tables":[[{"A":"1"}]]}`},
		{name: "without tbody all rows", answer: "<table><thead><tr><th>A<tr><td>0</thead><tfoot><tr><td>1</table>", gives: `{"tables":[[{"A":"0"},{"A":"1"}]]}`},
		{name: "no names, no table", answer: "<table><tr><th> <th></tr><tr><td>1</table><table><tr><td>1</table><table><tr><th>A</table>", gives: `{"tables":[[]]}`},
		{name: "a table in a cell", answer: "<table><tr><th>A<tr><td>x<table><tr><th>B<tr><td>1</table>y</table>", gives: `{"tables":[[{"A":"x B 1 y"}],[{"B":"1"}]]}`},
		{name: "text of a cell", answer: "<table><tr><th>A<tr><td>\n a&nbsp; <b>b</b>c<br>d<p>e</p>f<script>g</script><!--h-->&amp;\u200b </table>", gives: `{"tables":[[{"A":"a bc d e f&"}]]}`},
		{name: "columns of one name", answer: "<table><tr><th>A<th>A<tr><td>1<td>2</table>", gives: `{"tables":[[{"A":"1","A_2":"2"}]]}`},
		{name: "no table", answer: "<p>x", gives: `{"tables":[]}`},
		{name: "nothing", answer: "", gives: `{"tables":[]}`},
		{name: "a charset of the header", answer: "<table><tr><th>A<tr><td>\xe4</table>", kind: "text/html; charset=iso-8859-1", gives: `{"tables":[[{"A":"ä"}]]}`},
		{name: "a charset of the page", answer: "<meta charset=shift_jis><table><tr><th>A<tr><td>\x82\xa0</table>", gives: `{"tables":[[{"A":"あ"}]]}`},
		{name: "UTF-8 far down", answer: strings.Repeat(" ", 2000) + "<table><tr><th>A<tr><td>é</table>", gives: `{"tables":[[{"A":"é"}]]}`},
		{name: "too many columns", answer: "<table><tr><th>A<th>B<th>C<th>D<th>E<th>F</table>", says: "the answer is too much to be read as HTML: a table has more than 5 columns"},
		{name: "too deep", answer: deep, says: "the answer is too much to be read as HTML: it nests too deep"},
		{name: "formatting that is never closed", answer: formats.String() + strings.Repeat("<p>", 100_000), says: "the answer is too much to be read as HTML: it has more than about 1000000 elements"},
		{name: "many ends far inside", answer: strings.Repeat("<dl><dd>", 240) + strings.Repeat("</p>", 200_000), says: "the answer is too much to be read as HTML: it has too many elements inside of each other"},
		{name: "attributes merged again and again", answer: "<body " + manyAttributes(10_000) + strings.Repeat("<body a>", 100_000), says: "the answer is too much to be read as HTML: it has more than about 1000000 elements"},
		{name: "formatting in blocks", answer: strings.Repeat("<b><p></b>", 100_000), says: "the answer is too much to be read as HTML: it has more than about 1000000 elements"},
		{name: "long names on many rows", answer: "<table><tr><th>" + strings.Repeat("x", 100_000) + strings.Repeat("<tr><td>", 10_000) + "</table>", says: "the answer is too much to be read as HTML: its JSON would have more than 6809312 bytes"},
	})
	check(t, format.HTML, format.Options{Selector: " table.a, .b "}, []rule{
		{name: "chosen", answer: "<table><tr><th>A</table><table class='x a'><tr><th>A<tr><td>1</table>", gives: `{"tables":[[{"A":"1"}]]}`},
		{name: "inside of what is chosen", answer: "<div class=b><table class=a><tr><th>A<tr><td>1</table><p><table class=b><tr><th>B<tr><td>2</table></div>", gives: `{"tables":[[{"A":"1"}],[{"B":"2"}]]}`},
	})
	check(t, format.HTML, format.Options{Selector: "h2 ~ table"}, []rule{
		{name: "siblings", answer: "<table><tr><th>A</table><h2>x</h2><table><tr><th>B</table>", gives: `{"tables":[[]]}`},
		{name: "too many siblings", answer: strings.Repeat("<table></table>", 30_000), says: "the answer is too much to be read as HTML: an element has more than 20000 children, which the selector of the document would compare"},
	})
	_, err := format.New(format.HTML, format.Options{Selector: "table["})
	if err == nil || !strings.HasPrefix(err.Error(), "it is not a CSS selector: ") {
		t.Errorf("a wrong selector: %v", err)
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strconv.Itoa(i))
	}
	return b.String() + ">"
}
