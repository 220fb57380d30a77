package cuda

import (
	"fmt"
	"strings"
	"sync"

	"palladio/kernels"
)

// mathFunction is a device function of kernels/math/math.ptx, as text to be put where it is called.
type mathFunction struct {
	body      []string // the lines between the braces, without indentation
	variables []string // declarations of the module's variables that the body names
}

// mathFunctions reads the functions of kernels/math once. It relies on the layout that clang gives its output.
var mathFunctions = sync.OnceValues(func() (map[string]mathFunction, error) {
	text, err := kernels.PTX("math/math")
	if err != nil {
		return nil, err
	}
	fs := map[string]mathFunction{}
	var variables [][2]string // names and declarations
	name, inside := "", false
	var f mathFunction
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, ".const") || strings.HasPrefix(line, ".global"):
			head, _, _ := strings.Cut(line, "[")
			variables = append(variables, [2]string{head[strings.LastIndexByte(head, ' ')+1:], line})
		case strings.Contains(line, ".func"):
			before, _ := strings.CutSuffix(line, "(")
			name = before[strings.LastIndexByte(before, ' ')+1:]
		case line == "{":
			f, inside = mathFunction{}, true
		case line == "}":
			for _, v := range variables {
				if strings.Contains(strings.Join(f.body, "\n"), v[0]) {
					f.variables = append(f.variables, v[1])
				}
			}
			fs[name], inside = f, false
		case inside:
			f.body = append(f.body, line)
		}
	}
	return fs, nil
})

// call puts the body of a function of kernels/math where it is wanted, in a scope of its own: dst = name(args).
func (e *emitter) call(name, dst string, args ...string) error {
	fs, err := mathFunctions()
	if err != nil {
		return err
	}
	f, ok := fs[name]
	if !ok {
		return fmt.Errorf("cuda: kernels/math has no function %s", name)
	}
	for _, v := range f.variables {
		e.variable(v)
	}
	out := &e.top().code
	indent := e.indent()
	fmt.Fprintf(out, "%s{ // %s = %s(%s)\n", indent, dst, name, strings.Join(args, ", "))
	e.labels++
	done := fmt.Sprintf("$%s_%d_done", name, e.labels)
	jumps := false
	for i, line := range f.body {
		line = rename(line, e.labels)
		opcode, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "ld.param."):
			to, from, _ := strings.Cut(strings.TrimSpace(rest), ",")
			at := from[strings.LastIndexByte(from, '_')+1 : strings.LastIndexByte(from, ']')]
			var n int
			if _, err := fmt.Sscan(at, &n); err != nil || n >= len(args) {
				return fmt.Errorf("cuda: kernels/math: %s: parameter in %q", name, line)
			}
			line = fmt.Sprintf("mov.b%s %s, %s;", opcode[len(opcode)-2:], to, args[n]) // its bits: clang may take a number as an integer
		case strings.HasPrefix(line, "st.param."):
			_, from, _ := strings.Cut(rest, ",")
			line = fmt.Sprintf("mov.b%s %s,%s", opcode[len(opcode)-2:], dst, from)
		case line == "ret;" && i == len(f.body)-1:
			continue
		case line == "ret;":
			line, jumps = "bra "+done+";", true
		case strings.HasSuffix(line, "ret;"):
			return fmt.Errorf("cuda: kernels/math: %s returns by %q, which cannot be put in place", name, line)
		default:
			line = exact(line)
		}
		if strings.HasSuffix(line, ":") {
			fmt.Fprintf(out, "%s\n", line)
			continue
		}
		fmt.Fprintf(out, "%s\t%s\n", indent, line)
	}
	if jumps {
		fmt.Fprintf(out, "%s:\n", done)
	}
	fmt.Fprintf(out, "%s}\n", indent)
	return nil
}

// rename gives the labels of a body, which begin with $L, a number of the place where it is put, and turns tabs into spaces.
func rename(line string, place int) string {
	line = strings.ReplaceAll(line, "\t", " ")
	for i := strings.Index(line, "$L__"); i >= 0; {
		j := i + 4
		for j < len(line) && line[j] != ':' && line[j] != ';' && line[j] != ',' && line[j] != ' ' {
			j++
		}
		line = fmt.Sprintf("%s$m%d_%s%s", line[:i], place, line[i+4:j], line[j:])
		i = strings.Index(line, "$L__")
	}
	return strings.Join(strings.Fields(line), " ")
}

// exact forbids the assembler to join a product and a sum: what clang left apart stays so, and every device gives the same bits.
func exact(line string) string {
	for _, op := range []string{"mul", "add", "sub"} {
		for _, t := range []string{"f32", "f64"} {
			if rest, ok := strings.CutPrefix(line, op+"."+t+" "); ok {
				return op + ".rn." + t + " " + rest
			}
		}
	}
	return line
}
