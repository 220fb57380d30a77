package kernels

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// typeFields calls f with the place of each DType in a kernel, and its name, such as Of.Type or Inputs[].Type.
func typeFields(v reflect.Value, name string, f func(name string, t reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[DType]():
		f(name, v)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				typeFields(v.Field(i), strings.TrimPrefix(name+"."+field.Name, "."), f)
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			typeFields(v.Index(i), name+"[]", f)
		}
	}
}

// copied is a kernel that can be changed without changing k: its slices of structs are its own.
func copied(k Kernel) reflect.Value {
	v := reflect.New(reflect.TypeOf(k)).Elem()
	v.Set(reflect.ValueOf(k))
	for i := range v.NumField() {
		if s := v.Field(i); s.Kind() == reflect.Slice && s.Type().Elem().Kind() == reflect.Struct {
			s.Set(reflect.AppendSlice(reflect.MakeSlice(s.Type(), 0, s.Len()), s))
		}
	}
	return v
}

// TestCasesHaveEveryType: for each field of each kernel that names an element type, the conformance table has a row with each type that the kernel takes there.
func TestCasesHaveEveryType(t *testing.T) {
	type use struct {
		family, field string
		t             DType
	}
	allowed, there := map[use]string{}, map[use]bool{}
	for _, c := range Cases() {
		family := c.Kernel.Family()
		v := copied(c.Kernel)
		typeFields(v, "", func(name string, field reflect.Value) {
			was := DType(field.Uint())
			there[use{family, name, was}] = true
			if k, ok := c.Kernel.(interface{ ResultType() DType }); ok && name == "OutType" {
				there[use{family, name, k.ResultType()}] = true // what Invalid stands for
			}
			for u := range DType(len(dtypes)) {
				if _, known := allowed[use{family, name, u}]; known {
					continue
				}
				field.SetUint(uint64(u))
				if k := v.Interface().(Kernel); k.Validate() == nil {
					allowed[use{family, name, u}] = k.String()
				}
			}
			field.SetUint(uint64(was))
		})
	}
	var missing []string
	for u, kernel := range allowed {
		if !there[u] {
			missing = append(missing, u.family+": no row with "+u.field+" "+u.t.String()+", such as "+kernel)
		}
	}
	slices.Sort(missing)
	for _, m := range missing {
		t.Error(m)
	}
	if len(there) < 150 {
		t.Errorf("%d uses of types in the table", len(there))
	}
}
