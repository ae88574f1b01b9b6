package statement

import (
	"fmt"
	"strings"
	"testing"

	"clickstream/internal/corpus"
)

// describe puts what Parse found on one line.
func describe(st Statement, sql string) string {
	switch {
	case st.Problem != nil:
		return fmt.Sprint(st.Kind, " refused ", st.Problem.Code)
	case st.Insert != nil:
		in := st.Insert
		return fmt.Sprintf("%s head=%q table=%q columns=%q format=%q data=%q", st.Kind, in.Head, in.Table, in.Columns, in.Format, sql[in.Data:])
	case st.Bare != st.SQL:
		return fmt.Sprintf("%s format=%s bare=%q", st.Kind, st.Format, st.Bare)
	case st.SQL != sql:
		return fmt.Sprintf("%s sql=%q", st.Kind, st.SQL)
	}
	return st.Kind
}

func TestParse(t *testing.T) {
	for sql, want := range map[string]string{
		"":                       "",
		" -- nothing\n/* at */ ": "",
		"select 1":               "SELECT",
		"# comment\nSELECT 1;":   "SELECT",
		"((SELECT 1))":           "SELECT",
		"SELECT 1; SELECT 2":     "SELECT refused 62",
		"SELECT ';'; -- over":    "SELECT",
		"SELECT $$;$$, $x$;'$x$": "SELECT",

		"SELECT 1 FORMAT JSON":             `SELECT format=JSON bare="SELECT 1 "`,
		"SELECT 1 format csv ;":            `SELECT format=csv bare="SELECT 1  ;"`,
		"SELECT 1 FORMAT CSV SETTINGS a=1": `SELECT format=CSV bare="SELECT 1  SETTINGS a=1"`,
		"SELECT format('{}', 1) AS x":      "SELECT",
		"SELECT format FROM t":             "SELECT",
		"SELECT 'FORMAT JSON'":             "SELECT",
		"SELECT 1 -- FORMAT JSON":          "SELECT",

		"INSERT INTO t VALUES (1), ('a;\n\n')":                `INSERT head="INSERT INTO t " table="t" columns=[] format="Values" data=" (1), ('a;\n\n')"`,
		"INSERT INTO `a b`.t (x, \"y z\") FORMAT TSV\n1\n\n2": "INSERT head=\"INSERT INTO `a b`.t (x, \\\"y z\\\") \" table=\"`a b`.t\" columns=[\"x\" \"y z\"] format=\"TSV\" data=\"1\\n\\n2\"",
		"insert into t":                 `INSERT head="insert into t" table="t" columns=[] format="" data=""`,
		"INSERT INTO t;":                `INSERT head="INSERT INTO t" table="t" columns=[] format="" data=""`,
		"INSERT INTO values VALUES (1)": `INSERT head="INSERT INTO values " table="values" columns=[] format="Values" data=" (1)"`,
		"INSERT INTO TABLE t SETTINGS a = 1 FORMAT Native": `INSERT head="INSERT INTO TABLE t SETTINGS a = 1 " table="t" columns=[] format="Native" data=""`,
		"INSERT INTO FUNCTION null('a Int8') VALUES (1)":   `INSERT head="INSERT INTO FUNCTION null('a Int8') " table="FUNCTION null('a Int8')" columns=[] format="Values" data=" (1)"`,
		"INSERT INTO t (* EXCEPT(a)) VALUES (1)":           `INSERT head="INSERT INTO t (* EXCEPT(a)) " table="t" columns=[] format="Values" data=" (1)"`,
		"INSERT INTO t (n.a, n.b) VALUES ([1], [2])":       `INSERT head="INSERT INTO t (n.a, n.b) " table="t" columns=["n.a" "n.b"] format="Values" data=" ([1], [2])"`,
		"INSERT INTO t FORMAT CSV \r\n1\r\n":               `INSERT head="INSERT INTO t " table="t" columns=[] format="CSV" data="1\r\n"`,

		"INSERT INTO t SELECT 1":                                   "INSERT",
		"INSERT INTO t (a) SELECT 1 FORMAT Null":                   `INSERT format=Null bare="INSERT INTO t (a) SELECT 1 "`,
		"INSERT INTO t (SELECT 1)":                                 "INSERT",
		"INSERT INTO t WITH 1 AS x SELECT x":                       "INSERT",
		"INSERT INTO t SELECT * FROM input('a Int8') FORMAT TSV 1": "INSERT refused 48",
		"INSERT INTO t FROM INFILE '/x' FORMAT TSV":                "INSERT refused 48",
		"SELECT 'x' INTO\u3000OUTFILE '/tmp/f' APPEND":             "SELECT refused 48",
		"SELECT 1 /* /* */ */ INTO // x\n outfile 'f'":             "SELECT refused 48",
		"SELECT 1 INTO OUTFILE '/x'":                               "SELECT refused 48",
		"SELECT 1 INTO -- a file\n outfile '/x'":                   "SELECT refused 48",
		"SYSTEM FLUSH LOGS":                                        "SYSTEM",
		"DROP DATABASE defaults":                                   "DROP",
		"DROP TABLE default":                                       "DROP",
		"KILL QUERY WHERE query_id='a'":                            `KILL sql="KILL QUERY WHERE if(Settings['log_comment'] = '', query_id, Settings['log_comment'])='a'"`,
		"KILL QUERY WHERE user = 'query_id'":                       "KILL",
	} {
		if got := describe(Parse(sql), sql); got != want {
			t.Errorf("Parse(%q)\n got %s\nwant %s", sql, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, text := range []string{"", "a", "it's", `back\slash`, "`tick`", `"`, "\n;--"} {
		s := scanner{sql: String(text) + " " + Identifier(text)}
		literal, _ := s.next()
		name, _ := s.next()
		if _, more := s.next(); more || literal.kind != 's' {
			t.Errorf("%q: quoted to %s: not two tokens", text, s.sql)
		}
		if got := name.name(); got != text {
			t.Errorf("%q: got %q back", text, got)
		}
	}
}

// FuzzParse: whatever the text is, no panic, and the parts are parts of it.
func FuzzParse(f *testing.F) {
	corpus.Add(f)
	for _, seed := range []string{
		"SELECT 1 FORMAT JSON", "INSERT INTO t (a, `b`) VALUES (1)", "INSERT INTO t SELECT 1; x", "KILL QUERY WHERE query_id = 1",
		"/* '", "'\\", "$a$ b", "((((", "INSERT INTO FUNCTION f(", "INSERT INTO a.", "INSERT INTO t FORMAT", "SELECT FORMAT x", "\"", "DROP DATABASE",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		st := Parse(sql)
		if st.Insert == nil {
			return
		}
		if !strings.HasPrefix(sql, st.Insert.Head) || st.Insert.Data < len(st.Insert.Head) || st.Insert.Data > len(sql) {
			t.Errorf("Parse(%q): head %q, data at %d", sql, st.Insert.Head, st.Insert.Data)
		}
	})
}
