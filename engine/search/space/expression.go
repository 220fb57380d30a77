package space

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"palladio/engine/search/spec"
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// CheckName says whether a parameter or metric may have the name: lower-case letters, digits and underscores, no word of the expression
// language.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q is no name: want lower-case letters, digits and underscores, a letter first", name)
	}
	if _, taken := builtin.Index[name]; taken || slices.Contains([]string{"in", "not", "and", "or", "nil", "true", "false", "let", "if", "else", "matches", "contains"}, name) {
		return fmt.Errorf("%q is a word of the expression language: choose another name", name)
	}
	return nil
}

// program is a compiled expression over named values.
type program struct {
	source string
	names  []string // the values that it reads
	vm     *vm.Program
}

// compile reads an expression over the known names.
func compile(source string, known []string, opts ...expr.Option) (*program, error) {
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %s", source, firstLine(err))
	}
	p := &program{source: source}
	var unknown error
	visit := visitor(func(n ast.Node) {
		if id, ok := n.(*ast.IdentifierNode); ok && unknown == nil {
			if !slices.Contains(known, id.Value) {
				unknown = fmt.Errorf("expression %q: unknown name %q%s", source, id.Value, spec.Suggest(id.Value, known))
			}
			if !slices.Contains(p.names, id.Value) {
				p.names = append(p.names, id.Value)
			}
		}
	})
	ast.Walk(&tree.Node, visit)
	if unknown != nil {
		return nil, unknown
	}
	p.vm, err = expr.Compile(source, append(opts, expr.AllowUndefinedVariables())...)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %s", source, firstLine(err))
	}
	return p, nil
}

type visitor func(ast.Node)

func (v visitor) Visit(n *ast.Node) { v(*n) }

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func (p *program) run(env map[string]any) (any, error) {
	v, err := expr.Run(p.vm, env)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %s", p.source, firstLine(err))
	}
	return v, nil
}

// Condition decides whether a parameter is present.
type Condition struct{ p *program }

// NewCondition compiles a condition such as `block == "mbconv"` over the known names.
func NewCondition(source string, known []string) (*Condition, error) {
	p, err := compile(source, known, expr.AsBool())
	if err != nil {
		return nil, err
	}
	return &Condition{p}, nil
}

// String is the condition's text.
func (c *Condition) String() string { return c.p.source }

// holds is false where the condition cannot be decided, such as on a value that is itself absent.
func (c *Condition) holds(env Env) bool {
	v, err := c.p.run(env)
	b, ok := v.(bool)
	return err == nil && ok && b
}
