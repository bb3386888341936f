package extension

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewFollowMe(t *testing.T) {
	t.Parallel()
	f, err := Rules{}.NewFollowMe(Patch{"grpnum": "204", "grplist": "101, 105\n90539999999#-908509999999#", "needsconf": "checked"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"grpnum": "204", "strategy": "ringallv2", "grptime": "20", "grppre": "", "grplist": "101-105-90539999999#-908509999999#", "annmsg_id": "0",
		"postdest": "ext-local,204,dest", "dring": "", "remotealert_id": "0", "needsconf": "CHECKED", "toolate_id": "0", "pre_ring": "0", "ringing": "Ring",
	}
	if diff := cmp.Diff(want, f.Values()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(f, LoadFollowMe(f.Values())); diff != "" {
		t.Error(diff)
	}
	if err := (Rules{}).ValidateFollowMe(f); err != nil {
		t.Error(err)
	}
	_, err = Rules{}.NewFollowMe(Patch{"strategy": "all", "grptime": "61"})
	if diff := cmp.Diff([]string{"grpnum", "grplist", "strategy", "grptime"}, fieldsOf(err)); diff != "" {
		t.Error(diff, err)
	}
}

func TestFollowMeValues(t *testing.T) {
	t.Parallel()
	f := FollowMe{GrpNum: "204", Strategy: "hunt", GrpTime: 20, GrpList: []string{"1"}, Ringing: "Ring"}
	for _, tt := range []struct {
		field     string
		good, bad []string
	}{
		{"grpnum", []string{"204"}, []string{"205", "", "x"}},
		{"strategy", Strategies(), []string{"", "ringallv3", "hunt-"}},
		{"grptime", []string{"1", "5", "60"}, []string{"0", "61", "", "x", "-5"}},
		{"grppre", []string{"", "Office:"}, []string{strings.Repeat("x", 101)}},
		{"grplist", []string{"1", "1,2", "1-2", "1\r\n2", "1 2", "*72+4#", "1--2"}, []string{"", ",", "#", "1##", "a", "1;2", "1/2", "1&2", strings.Repeat("123456789-", 26)}},
		{"annmsg_id", []string{"0", "7"}, []string{"", "-1", "x", "2147483648"}},
		{"postdest", []string{"", "ext-local,106,dest", "app-blackhole,hangup,1"}, []string{"a", "a,b", "a,b,c,d", "a b,c,d"}},
		{"dring", []string{"", "<http://x>;info=a"[:9]}, []string{strings.Repeat("x", 256)}},
		{"remotealert_id", []string{"1"}, []string{"x"}},
		{"needsconf", []string{"", "CHECKED"}, []string{"yes", "no"}},
		{"toolate_id", []string{"1"}, []string{"x"}},
		{"pre_ring", []string{"0", "60"}, []string{"", "61", "-1"}},
		{"ringing", []string{"Ring", "default", "none"}, []string{"", "jazz"}},
	} {
		for _, value := range tt.good {
			if _, err := (Rules{}).ChangeFollowMe(f, Patch{tt.field: value}); err != nil {
				t.Errorf("%s = %q: %v", tt.field, value, err)
			}
		}
		for _, value := range tt.bad {
			if _, err := (Rules{}).ChangeFollowMe(f, Patch{tt.field: value}); len(fieldsOf(err)) != 1 || fieldsOf(err)[0] != tt.field {
				t.Errorf("%s = %q: %v", tt.field, value, err)
			}
		}
	}
	if _, err := (Rules{MusicClasses: []string{"jazz"}}).ChangeFollowMe(f, Patch{"ringing": "jazz"}); err != nil {
		t.Error(err)
	}
	after, err := Rules{}.ChangeFollowMe(f, Patch{"grplist": "1-2#", "needsconf": "CHECKED"})
	if diff := cmp.Diff([]Difference{{"grplist", "1", "1-2#"}, {"needsconf", "", "CHECKED"}}, DiffFollowMe(f, after)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if back, err := (Rules{}).ChangeFollowMe(after, InverseFollowMe(f, after)); err != nil || !cmp.Equal(f, back) {
		t.Errorf("%v: %v", back, err)
	}
}

func TestAstDB(t *testing.T) {
	t.Parallel()
	f := FollowMe{GrpNum: "204", GrpTime: 25, GrpList: []string{"204", "0551234567#"}, PreRing: 7}
	want := []DBEntry{
		{"AMPUSER", "204/followme/changecid", "default"},
		{"AMPUSER", "204/followme/ddial", "DIRECT"},
		{"AMPUSER", "204/followme/fixedcid", ""},
		{"AMPUSER", "204/followme/grpconf", "ENABLED"},
		{"AMPUSER", "204/followme/grplist", "204-0551234567#"},
		{"AMPUSER", "204/followme/grptime", "25"},
		{"AMPUSER", "204/followme/prering", "7"},
	}
	if diff := cmp.Diff(want, f.AstDB()); diff != "" {
		t.Error(diff)
	}
	if tree := f.AstDBTree(); tree != "AMPUSER/204/followme" {
		t.Error(tree)
	}
}

func TestStepsOfRealtime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		strategy string
		pre      int
		want     []Step
	}{
		{"ringall", 0, []Step{{"101&0551234567&*7", 20}}},
		{"ringall-prim", 0, []Step{{"101&0551234567&*7", 20}}},
		{"ringallv2", 0, []Step{{"101&0551234567&*7", 20}}},
		{"ringallv2", 7, []Step{{"204", 7}, {"204&101&0551234567&*7", 20}}},
		{"ringallv2-prim", 7, []Step{{"204", 7}, {"204&101&0551234567&*7", 20}}},
		{"ringall", 7, []Step{{"204", 7}, {"101&0551234567&*7", 20}}},
		{"hunt", 0, []Step{{"101", 20}, {"0551234567", 20}, {"*7", 20}}},
		{"hunt-prim", 5, []Step{{"204", 5}, {"101", 20}, {"0551234567", 20}, {"*7", 20}}},
		{"memoryhunt", 0, []Step{{"101", 20}, {"101&0551234567", 20}, {"101&0551234567&*7", 20}}},
		{"memoryhunt-prim", 0, []Step{{"101", 20}, {"101&0551234567", 20}, {"101&0551234567&*7", 20}}},
		{"firstavailable", 0, []Step{{"101", 20}, {"0551234567", 20}, {"*7", 20}}},
		{"firstnotonphone", 0, []Step{{"101", 20}, {"0551234567", 20}, {"*7", 20}}},
	} {
		f := FollowMe{GrpNum: "204", Strategy: tt.strategy, GrpTime: 20, GrpList: []string{"101", "0551234567#", "*7"}, PreRing: tt.pre, Ringing: "default", NeedsConf: true}
		row, steps := Realtime{}.FollowMe(f, "from-internal")
		if diff := cmp.Diff(tt.want, steps); diff != "" {
			t.Errorf("%s, %d: %s", tt.strategy, tt.pre, diff)
		}
		want := Columns{"name": "204", "active": "yes", "musicclass": "default", "context": "from-internal", "enable_callee_prompt": "yes"}
		if diff := cmp.Diff(want, row); diff != "" {
			t.Error(diff)
		}
	}
	own := FollowMe{GrpNum: "204", Strategy: "ringallv2", GrpTime: 20, GrpList: []string{"204", "1"}, PreRing: 7, Ringing: "none"}
	row, steps := Realtime{}.FollowMe(own, "c")
	if diff := cmp.Diff([]Step{{"204", 7}, {"204&1", 20}}, steps); diff != "" || row["musicclass"] != "" || row["enable_callee_prompt"] != "no" {
		t.Error(diff, row)
	}
}

func FuzzNumbers(f *testing.F) {
	for _, list := range []string{"101, 105, 90539999999#", "1-2", "", "#", "1\n2", "*72+", "٢", "1;2", "1\x00"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		items, err := ParseNumbers(list)
		if err != nil {
			return
		}
		kept := strings.Join(items, "-")
		if again, err := ParseNumbers(kept); err != nil || !cmp.Equal(items, again) || len(kept) > 255 || strings.Trim(kept, "0123456789*+#-") != "" {
			t.Errorf("%q is %q, then %q: %v", list, items, again, err)
		}
	})
}
