package store

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"talktime/pbx/extension"
)

// FreePBX keeps extensions in FreePBX's own tables: sip, users, devices and findmefollow. FreePBX makes Asterisk's files of them when it
// is told to. It is safe for use by many goroutines and processes.
type FreePBX struct{ *pbxTables }

var _ extension.Backend = FreePBX{}

const (
	sipTable     = "sip"
	usersTable   = "users"
	devicesTable = "devices"
	findMeTable  = "findmefollow"
)

// OpenFreePBX prepares FreePBX's database for use; it need not be reachable yet.
func OpenFreePBX(c PBXConfig) (FreePBX, error) {
	p, err := openPBX(c, sipTable, usersTable, devicesTable, findMeTable)
	if err != nil {
		return FreePBX{}, err
	}
	p.texts = true // as FreePBX has it
	return FreePBX{p}, nil
}

// Extensions implements extension.Backend. Trunks, whose ids are no numbers, are none.
func (f FreePBX) Extensions(ctx context.Context) (all []extension.Extension, err error) {
	err = f.read(ctx, func(t *pbxTx) error {
		all = []extension.Extension{}
		if err := t.needs(sipTable, usersTable); err != nil {
			return err
		}
		rows, err := t.query(sipTable, []string{"id", "keyword", "data"}, "")
		if err != nil {
			return err
		}
		data := map[string]map[string]string{}
		for _, row := range rows {
			id := row["id"]
			if !extension.ValidAccount(id) {
				continue
			}
			if data[id] == nil {
				data[id] = map[string]string{}
			}
			data[id][strings.ToLower(row["keyword"])] = row["data"]
		}
		users, err := t.query(usersTable, []string{"extension", "name"}, "")
		if err != nil {
			return err
		}
		names := map[string]string{}
		for _, row := range users {
			names[row["extension"]] = row["name"]
		}
		for id := range data {
			all = append(all, extension.OfSIPRows(id, names[id], data[id]))
		}
		slices.SortFunc(all, func(a, b extension.Extension) int { return byNumber(a.Account, b.Account) })
		return nil
	})
	return all, err
}

// freeRows are what the tables have of an account.
type freeRows struct {
	data         map[string]string // of sip, by keyword
	name         string
	user, device bool
}

func (r freeRows) extension(account string) extension.Extension {
	return extension.OfSIPRows(account, r.name, r.data)
}

// rowsOf reads what there is of an account. With the lock nobody else changes it until the transaction ends.
func (f FreePBX) rowsOf(t *pbxTx, account string, lock string) (r freeRows, err error) {
	if err := t.needs(sipTable, usersTable, devicesTable); err != nil {
		return r, err
	}
	rows, err := t.query(sipTable, []string{"keyword", "data"}, "WHERE id = ?"+lock, account)
	if err != nil {
		return r, err
	}
	if len(rows) > 0 {
		r.data = map[string]string{}
	}
	for _, row := range rows {
		r.data[strings.ToLower(row["keyword"])] = row["data"]
	}
	if rows, err = t.query(usersTable, []string{"name", "extension"}, "WHERE extension = ?"+lock, account); err != nil {
		return r, err
	}
	if r.user = len(rows) > 0; r.user {
		r.name = rows[0]["name"]
	}
	rows, err = t.query(devicesTable, []string{"id"}, "WHERE id = ?"+lock, account)
	r.device = len(rows) > 0
	return r, err
}

const locked = " FOR UPDATE"

// Extension implements extension.Backend.
func (f FreePBX) Extension(ctx context.Context, account string) (e extension.Extension, err error) {
	if !extension.ValidAccount(account) {
		return e, noExtension(account)
	}
	err = f.read(ctx, func(t *pbxTx) error {
		r, err := f.rowsOf(t, account, "")
		if err == nil && r.data == nil {
			err = noExtension(account)
		}
		e = r.extension(account)
		return err
	})
	if err != nil {
		return extension.Extension{}, err
	}
	return e, nil
}

// Add implements extension.Backend. A number that has a row in any of the tables is taken.
func (f FreePBX) Add(ctx context.Context, e extension.Extension) (extension.Extension, error) {
	if err := f.rules.In(ctx).Validate(e); err != nil {
		return extension.Extension{}, err
	}
	err := f.change(ctx, func(t *pbxTx) error {
		r, err := f.rowsOf(t, e.Account, locked)
		if err != nil {
			return err
		}
		if r.data != nil || r.user || r.device {
			return takenExtension(e.Account)
		}
		for _, row := range e.SIPRows() {
			if err := f.addRow(t, e.Account, row); err != nil {
				return err
			}
		}
		if err := f.taken(t.insert(usersTable, e.FreePBXUser()), e.Account); err != nil {
			return err
		}
		return f.taken(t.insert(devicesTable, e.FreePBXDevice()), e.Account)
	})
	if err != nil {
		return extension.Extension{}, err
	}
	return e, nil
}

// taken says it better when another process was faster.
func (FreePBX) taken(err error, account string) error {
	if isDuplicate(err) {
		return takenExtension(account)
	}
	return err
}

func (f FreePBX) addRow(t *pbxTx, account string, row extension.SIPRow) error {
	return f.taken(t.insert(sipTable, map[string]string{"id": account, "keyword": row.Keyword, "data": row.Data, "flags": strconv.Itoa(row.Flags)}), account)
}

// Preview implements extension.Backend.
func (f FreePBX) Preview(ctx context.Context, account string, p extension.Patch) (before, after extension.Extension, err error) {
	if before, err = f.Extension(ctx, account); err == nil {
		after, err = f.rules.In(ctx).Change(before, p)
	}
	if err != nil {
		return extension.Extension{}, extension.Extension{}, err
	}
	return before, after, nil
}

// Update implements extension.Backend. A row of users or devices that is missing, as the old program left it, is made.
func (f FreePBX) Update(ctx context.Context, account string, p extension.Patch, check func(extension.Extension) error) (before, after extension.Extension, err error) {
	if !extension.ValidAccount(account) {
		return before, after, noExtension(account)
	}
	err = f.change(ctx, func(t *pbxTx) error {
		r, err := f.rowsOf(t, account, locked)
		if err != nil {
			return err
		}
		if r.data == nil {
			return noExtension(account)
		}
		before = r.extension(account)
		if err := extension.Passes(check, before); err != nil {
			return err
		}
		if after, err = f.rules.In(ctx).Change(before, p); err != nil {
			return err
		}
		was := before.SIPRows()
		for i, row := range after.SIPRows() {
			if row == was[i] {
				continue
			}
			if _, there := r.data[row.Keyword]; there {
				err = t.update(sipTable, map[string]string{"data": row.Data}, "id = ? AND keyword = ?", account, row.Keyword)
			} else {
				err = f.addRow(t, account, row)
			}
			if err != nil {
				return err
			}
		}
		if after.Name != before.Name || !r.user {
			if err := f.put(t, r.user, usersTable, "extension", account, map[string]string{"name": after.Name}, after.FreePBXUser()); err != nil {
				return err
			}
		}
		if after.Dial != before.Dial || !r.device {
			return f.put(t, r.device, devicesTable, "id", account, map[string]string{"dial": after.Dial}, after.FreePBXDevice())
		}
		return nil
	})
	if err != nil {
		return extension.Extension{}, extension.Extension{}, err
	}
	return before, after, nil
}

// put changes a row, or makes it where there is none.
func (FreePBX) put(t *pbxTx, there bool, table, key, account string, changed, whole map[string]string) error {
	if there {
		return t.update(table, changed, key+" = ?", account)
	}
	return t.insert(table, whole)
}

// Delete implements extension.Backend.
func (f FreePBX) Delete(ctx context.Context, account string, check func(extension.Extension) error) (removed extension.Removed, err error) {
	if !extension.ValidAccount(account) {
		return removed, noExtension(account)
	}
	err = f.change(ctx, func(t *pbxTx) error {
		removed = extension.Removed{}
		r, err := f.rowsOf(t, account, locked)
		if err != nil {
			return err
		}
		if r.data == nil {
			return noExtension(account)
		}
		removed.Extension = r.extension(account)
		if err := extension.Passes(check, removed.Extension); err != nil {
			return err
		}
		for _, of := range [][2]string{{sipTable, "id"}, {usersTable, "extension"}, {devicesTable, "id"}} {
			if err := t.remove(of[0], of[1]+" = ?", account); err != nil {
				return err
			}
		}
		if !t.has(findMeTable) {
			return nil
		}
		follow, found, err := f.followMeOf(t, account)
		if err != nil || !found {
			return err
		}
		removed.FollowMe = &follow
		return t.remove(findMeTable, "grpnum = ?", account)
	})
	if err != nil {
		return extension.Removed{}, err
	}
	return removed, nil
}

// followMeOf reads the follow-me of an account, and locks it.
func (FreePBX) followMeOf(t *pbxTx, account string) (m extension.FollowMe, found bool, err error) {
	rows, err := t.query(findMeTable, extension.FollowMeColumns(), "WHERE grpnum = ?"+locked, account)
	if err != nil || len(rows) == 0 {
		return m, false, err
	}
	return extension.LoadFollowMe(rows[0]), true, nil
}

// FollowMes implements extension.Backend.
func (f FreePBX) FollowMes(ctx context.Context) (all []extension.FollowMe, err error) {
	err = f.read(ctx, func(t *pbxTx) error {
		all = []extension.FollowMe{}
		if err := t.needs(findMeTable); err != nil {
			return err
		}
		rows, err := t.query(findMeTable, extension.FollowMeColumns(), "")
		for _, row := range rows {
			all = append(all, extension.LoadFollowMe(row))
		}
		slices.SortFunc(all, func(a, b extension.FollowMe) int { return byNumber(a.GrpNum, b.GrpNum) })
		return err
	})
	return all, err
}

// FollowMe implements extension.Backend.
func (f FreePBX) FollowMe(ctx context.Context, account string) (m extension.FollowMe, err error) {
	if !extension.ValidAccount(account) {
		return m, noFollowMe(account)
	}
	err = f.read(ctx, func(t *pbxTx) error {
		if err := t.needs(findMeTable); err != nil {
			return err
		}
		rows, err := t.query(findMeTable, extension.FollowMeColumns(), "WHERE grpnum = ?", account)
		if err == nil && len(rows) == 0 {
			err = noFollowMe(account)
		}
		if err == nil {
			m = extension.LoadFollowMe(rows[0])
		}
		return err
	})
	return m, err
}

// AddFollowMe implements extension.Backend.
func (f FreePBX) AddFollowMe(ctx context.Context, m extension.FollowMe) (extension.FollowMe, error) {
	if err := f.rules.In(ctx).ValidateFollowMe(m); err != nil {
		return extension.FollowMe{}, err
	}
	err := f.change(ctx, func(t *pbxTx) error {
		if err := t.needs(findMeTable); err != nil {
			return err
		}
		r, err := f.rowsOf(t, m.GrpNum, locked)
		if err != nil {
			return err
		}
		if r.data == nil && !r.user {
			return followMeOfNobody(m.GrpNum)
		}
		if _, found, err := f.followMeOf(t, m.GrpNum); err != nil {
			return err
		} else if found {
			return takenFollowMe(m.GrpNum)
		}
		err = t.insert(findMeTable, m.Values())
		if isDuplicate(err) {
			err = takenFollowMe(m.GrpNum)
		}
		return err
	})
	if err != nil {
		return extension.FollowMe{}, err
	}
	return m, nil
}

// UpdateFollowMe implements extension.Backend.
func (f FreePBX) UpdateFollowMe(ctx context.Context, account string, p extension.Patch, check func(extension.FollowMe) error) (before, after extension.FollowMe, err error) {
	if !extension.ValidAccount(account) {
		return before, after, noFollowMe(account)
	}
	err = f.change(ctx, func(t *pbxTx) error {
		if err := t.needs(findMeTable); err != nil {
			return err
		}
		var found bool
		if before, found, err = f.followMeOf(t, account); err != nil {
			return err
		}
		if !found {
			return noFollowMe(account)
		}
		if err := extension.Passes(check, before); err != nil {
			return err
		}
		if after, err = f.rules.In(ctx).ChangeFollowMe(before, p); err != nil {
			return err
		}
		changed := map[string]string{}
		for _, d := range extension.DiffFollowMe(before, after) {
			changed[d.Field] = d.After
		}
		return t.update(findMeTable, changed, "grpnum = ?", account)
	})
	if err != nil {
		return extension.FollowMe{}, extension.FollowMe{}, err
	}
	return before, after, nil
}

// DeleteFollowMe implements extension.Backend.
func (f FreePBX) DeleteFollowMe(ctx context.Context, account string, check func(extension.FollowMe) error) (m extension.FollowMe, err error) {
	if !extension.ValidAccount(account) {
		return m, noFollowMe(account)
	}
	err = f.change(ctx, func(t *pbxTx) error {
		if err := t.needs(findMeTable); err != nil {
			return err
		}
		var found bool
		if m, found, err = f.followMeOf(t, account); err != nil {
			return err
		}
		if !found {
			return noFollowMe(account)
		}
		if err := extension.Passes(check, m); err != nil {
			return err
		}
		return t.remove(findMeTable, "grpnum = ?", account)
	})
	if err != nil {
		return extension.FollowMe{}, err
	}
	return m, nil
}

// Inspect looks for what is in the way of keeping extensions here.
func (f FreePBX) Inspect(ctx context.Context) (PBXFaults, error) {
	var e extension.Extension
	return f.inspect(ctx, map[string][]string{
		sipTable: {"id", "keyword", "data", "flags"}, usersTable: slices.Sorted(maps.Keys(e.FreePBXUser())),
		devicesTable: slices.Sorted(maps.Keys(e.FreePBXDevice())), findMeTable: extension.FollowMeColumns(),
	})
}
