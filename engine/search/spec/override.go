package spec

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Override sets values of a YAML text, each given as PATH=VALUE: the path names keys and positions in lists, separated by dots, such as
// problem.train=256 or strategy.0.population=12; the value is YAML on one line. A key that is not there is added, where the mapping that it belongs to is. It
// returns the new text, with the file's comments.
func Override(name string, src []byte, settings []string) ([]byte, error) {
	if len(settings) == 0 {
		return src, nil
	}
	f, err := Parse(name, src)
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		path, text, ok := strings.Cut(s, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("setting %q: want PATH=VALUE, such as problem.train=256", s)
		}
		value, err := Parse("setting "+path, []byte(text))
		if err != nil {
			return nil, err
		}
		if err := replace(f.root, path, value.root); err != nil {
			return nil, fmt.Errorf("setting %q: %w", s, err)
		}
	}
	return yaml.Marshal(f.root)
}

// replace puts value at a path below n.
func replace(n *yaml.Node, path string, value *yaml.Node) error {
	key, rest, deeper := strings.Cut(path, ".")
	var at **yaml.Node
	switch n.Kind {
	case yaml.MappingNode:
		var known []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			known = append(known, n.Content[i].Value)
			if n.Content[i].Value == key {
				at = &n.Content[i+1]
			}
		}
		if at == nil && deeper {
			return fmt.Errorf("there is no %q%s", key, Suggest(key, known))
		}
		if at == nil {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
			return nil
		}
	case yaml.SequenceNode:
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(n.Content) {
			return fmt.Errorf("%q is no position in a list of %d", key, len(n.Content))
		}
		at = &n.Content[i]
	default:
		return fmt.Errorf("%q lies below a plain value", key)
	}
	if deeper {
		return replace(*at, rest, value)
	}
	*at = value
	return nil
}
