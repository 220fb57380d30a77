package ptx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// tokenKind is the kind of a token.
type tokenKind uint8

const (
	endToken       tokenKind = iota
	nameToken                // a name, with what follows it after dots: %r1, %tid.x, ld.global.f32
	directiveToken           // a name with a leading dot
	intToken                 // bits has the value
	float32Token             // 0f: bits
	float64Token             // 0d, or decimal: bits
	stringToken              // text without the quotes
	punctToken               // one character
)

// token is a word of the text.
type token struct {
	kind   tokenKind
	text   string
	bits   uint64
	line   int
	column int
}

func (t token) String() string {
	if t.kind == endToken {
		return "the end of the text"
	}
	if len(t.text) > 40 {
		return strconv.Quote(t.text[:40] + "...")
	}
	return strconv.Quote(t.text)
}

// is says whether the token is the punctuation mark or directive s.
func (t token) is(s string) bool {
	return (t.kind == punctToken || t.kind == directiveToken) && t.text == s
}

// lexer cuts text into tokens.
type lexer struct {
	text  string
	at    int
	line  int
	start int // of the line
}

// isNameByte says whether c may stand in a name after its first byte.
func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// peek is the byte i places ahead, 0 at the end.
func (l *lexer) peek(i int) byte {
	if l.at+i < len(l.text) {
		return l.text[l.at+i]
	}
	return 0
}

// fail ends the parsing with an error at a place.
func fail(line, column int, format string, args ...any) {
	panic(&Error{line, column, fmt.Sprintf(format, args...)})
}

// space passes white space and comments.
func (l *lexer) space() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == '\n':
			l.at++
			l.line++
			l.start = l.at
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.at++
		case c == '/' && l.peek(1) == '/':
			n := strings.IndexByte(l.text[l.at:], '\n')
			if n < 0 {
				n = len(l.text) - l.at
			}
			l.at += n
		case c == '/' && l.peek(1) == '*':
			n := strings.Index(l.text[l.at+2:], "*/")
			if n < 0 {
				fail(l.line, l.at-l.start+1, "this comment has no end: want */")
			}
			comment := l.text[l.at : l.at+2+n+2]
			l.line += strings.Count(comment, "\n")
			if nl := strings.LastIndexByte(comment, '\n'); nl >= 0 {
				l.start = l.at + nl + 1
			}
			l.at += len(comment)
		default:
			return
		}
	}
}

// next is the next token.
func (l *lexer) next() token {
	l.space()
	t := token{line: l.line, column: l.at - l.start + 1}
	if l.at == len(l.text) {
		return t
	}
	from := l.at
	switch c := l.text[l.at]; {
	case isDigit(c):
		l.number(&t)
	case c == '.':
		l.at++
		l.dotted()
		if t.kind = directiveToken; l.at == from+1 {
			fail(t.line, t.column, "want a name after the dot")
		}
	case c == '%' || isNameByte(c):
		l.at++
		l.dotted()
		t.kind = nameToken
		if l.text[from:l.at] == "%" {
			fail(t.line, t.column, "want a name after %%")
		}
	case c == '"':
		n := strings.IndexAny(l.text[l.at+1:], "\"\n")
		if n < 0 || l.text[l.at+1+n] == '\n' {
			fail(t.line, t.column, "this string has no end: want \"")
		}
		l.at += n + 2
		t.kind, t.text = stringToken, l.text[from+1:l.at-1]
		return t
	case strings.IndexByte("(){}[]<>,;:@!|+-=~*", c) >= 0:
		l.at++
		t.kind = punctToken
	default:
		fail(t.line, t.column, "%q has no meaning here", c)
	}
	t.text = l.text[from:l.at]
	return t
}

// dotted passes the rest of a name and what follows it after dots and double colons.
func (l *lexer) dotted() {
	for {
		for isNameByte(l.peek(0)) {
			l.at++
		}
		switch {
		case l.peek(0) == '.' && isNameByte(l.peek(1)):
			l.at++
		case l.peek(0) == ':' && l.peek(1) == ':' && isNameByte(l.peek(2)):
			l.at += 2
		default:
			return
		}
	}
}

// number reads a literal.
func (l *lexer) number(t *token) {
	from := l.at
	for isNameByte(l.peek(0)) || l.peek(0) == '.' && isDigit(l.peek(1)) ||
		(l.peek(0) == '+' || l.peek(0) == '-') && isExponent(l.text[from:l.at]) {
		l.at++
	}
	t.text = l.text[from:l.at]
	var err error
	switch s := t.text; {
	case len(s) == 10 && (s[1] == 'f' || s[1] == 'F') && s[0] == '0':
		t.kind = float32Token
		t.bits, err = strconv.ParseUint(s[2:], 16, 32)
	case len(s) == 18 && (s[1] == 'd' || s[1] == 'D') && s[0] == '0':
		t.kind = float64Token
		t.bits, err = strconv.ParseUint(s[2:], 16, 64)
	case strings.ContainsRune(s, '.') || !isHex(s) && strings.ContainsAny(s, "eE"):
		t.kind = float64Token
		var v float64
		v, err = strconv.ParseFloat(s, 64)
		t.bits = math.Float64bits(v)
	default:
		t.kind = intToken
		t.bits, err = parseInt(s)
	}
	if err != nil {
		fail(t.line, t.column, "%s is no number: want a decimal, 0x, 0b or octal integer of at most 64 bits, 0f with 8 or 0d with 16 hexadecimal digits, or a decimal fraction", t)
	}
}

func isHex(s string) bool { return len(s) > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') }

// isExponent says whether s is the start of a decimal fraction up to its e.
func isExponent(s string) bool {
	return len(s) > 1 && (s[len(s)-1] == 'e' || s[len(s)-1] == 'E') && !isHex(s) && (s[0] != '0' || strings.ContainsRune(s, '.') || len(s) == 2)
}

// parseInt is the value of an integer literal.
func parseInt(s string) (uint64, error) {
	s = strings.TrimRight(s, "U")
	base := 10
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'x', 'X':
			base, s = 16, s[2:]
		case 'b', 'B':
			base, s = 2, s[2:]
		default:
			base, s = 8, s[1:]
		}
	}
	if strings.ContainsRune(s, '_') {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(s, base, 64)
}
