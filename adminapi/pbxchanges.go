package adminapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"talktime/models"
	"talktime/pbx/extension"
)

// pbxChangeJSON is a change of an extension or of a follow-me.
type pbxChangeJSON struct {
	ID          int64                  `json:"id"`
	At          time.Time              `json:"at"`
	Actor       string                 `json:"actor"`
	Kind        string                 `json:"kind"`
	Verb        string                 `json:"verb"`
	Account     string                 `json:"account"`
	Differences []extension.Difference `json:"differences"`
	Undoes      *int64                 `json:"undoes"` // the change that it took back; null: none
	Undone      bool                   `json:"undone"`
}

// undoneJSON is what was done to take a change back.
type undoneJSON struct {
	Undoes      int64                  `json:"undoes"`
	Kind        string                 `json:"kind"`
	Verb        string                 `json:"verb"`
	Account     string                 `json:"account"`
	Differences []extension.Difference `json:"differences"`
	applied
}

// changed are the differences that a change made, of an extension and of its follow-me. Secrets are masked.
func changedFields(c extension.Change) []extension.Difference {
	var before, after struct {
		e extension.Extension
		f extension.FollowMe
		t extension.Trunk
	}
	take := func(s extension.Snapshot, e *extension.Extension, f *extension.FollowMe, t *extension.Trunk) {
		if s.Extension != nil {
			*e = *s.Extension
		}
		if s.FollowMe != nil {
			*f = *s.FollowMe
		}
		if s.Trunk != nil {
			*t = *s.Trunk
		}
	}
	take(c.Before, &before.e, &before.f, &before.t)
	take(c.After, &after.e, &after.f, &after.t)
	differences := []extension.Difference{}
	if c.Before.Extension != nil || c.After.Extension != nil {
		differences = append(differences, extension.Diff(before.e, after.e)...)
	}
	if c.Before.FollowMe != nil || c.After.FollowMe != nil {
		differences = append(differences, extension.DiffFollowMe(before.f, after.f)...)
	}
	if c.Before.Trunk != nil || c.After.Trunk != nil {
		differences = append(differences, extension.DiffTrunk(before.t, after.t)...)
	}
	return differences
}

func listPBXChanges(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	all, err := r.api.PBX.Changes.Changes(r.ctx())
	if err != nil {
		return err
	}
	key := func(c extension.Change) int64 { return c.ID }
	return answerList(r, l, pageOf(l, all, key), key, func(c extension.Change) pbxChangeJSON {
		shown := pbxChangeJSON{c.ID, c.At.UTC(), c.Actor, c.Kind, c.Verb, c.Account, changedFields(c), nil, c.Undone}
		if c.Undoes != 0 {
			shown.Undoes = &c.Undoes
		}
		return shown
	})
}

func undoPBXChange(r *request) error {
	id, err := strconv.ParseInt(r.Param("change"), 10, 64)
	if err != nil || id < 1 {
		return refused(http.StatusNotFound, "change "+strconv.Quote(loggable(r.Param("change")))+" does not exist")
	}
	return undoPBX(r, id)
}

// undoLatestPBXChange takes back what whoever asks did last: what others did since is theirs.
func undoLatestPBXChange(r *request) error {
	all, err := r.api.PBX.Changes.Changes(r.ctx())
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Actor == r.who.actor() && !c.Undone && c.Undoes == 0 {
			return undoPBX(r, c.ID)
		}
	}
	return refused(http.StatusNotFound, "there is no change of yours that can be taken back; GET /api/pbx/changes lists those of everybody, and POST /api/pbx/changes/<id>/undo takes one back")
}

// previewUndo is what it would come to that a change is taken back. What it would be refused for, it is refused for here.
func (r *request) previewUndo(id int64) (u undoneJSON, err error) {
	all, err := r.api.PBX.Changes.Changes(r.ctx())
	if err != nil {
		return u, err
	}
	i := slices.IndexFunc(all, func(c extension.Change) bool { return c.ID == id })
	if i < 0 {
		return u, refused(http.StatusNotFound, fmt.Sprintf("change %d does not exist", id))
	}
	c := all[i]
	if c.Undone {
		return u, refused(http.StatusConflict, fmt.Sprintf("change %d was taken back already", id))
	}
	now, err := r.snapshot(c)
	if err != nil {
		return u, err
	}
	if len(changedFields(extension.Change{Before: c.After, After: now})) > 0 {
		return u, refused(http.StatusConflict, fmt.Sprintf("%s is not as change %d left it, so it would not be taken back; look at it and change it yourself", c.Account, id))
	}
	verb := map[string]string{extension.VerbAdd: extension.VerbDelete, extension.VerbDelete: extension.VerbAdd}[c.Verb]
	back := extension.Change{Before: c.After, After: c.Before}
	return undoneJSON{id, c.Kind, cmp.Or(verb, c.Verb), c.Account, changedFields(back), applied{}}, nil
}

// snapshot is what there is now of what a change came to.
func (r *request) snapshot(c extension.Change) (now extension.Snapshot, err error) {
	ctx, telephones, trunks := r.ctx(), r.api.PBX.Extensions, r.api.PBX.Trunks
	switch {
	case c.Kind == extension.KindTrunk && trunks != nil:
		now.Trunk, err = ifThere(trunks.Trunk(ctx, c.Account))
	case c.Kind == extension.KindExtension:
		now.Extension, err = ifThere(telephones.Extension(ctx, c.Account))
	}
	if err == nil && (c.Kind == extension.KindFollowMe || c.Kind == extension.KindExtension && c.Verb != extension.VerbUpdate) { // of a change alone it stays
		now.FollowMe, err = ifThere(telephones.FollowMe(ctx, c.Account))
	}
	return now, err
}

func ifThere[T any](of T, err error) (*T, error) {
	switch {
	case errors.Is(err, models.ErrNotFound):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, err
	}
	return &of, nil
}

func undoPBX(r *request, id int64) error {
	dry, err := r.flag("dry_run")
	if err != nil {
		return err
	}
	if dry {
		u, err := r.previewUndo(id)
		if err != nil {
			return err
		}
		r.json(http.StatusOK, u)
		return nil
	}
	done, err := r.api.PBX.Changes.Undo(r.by(), id)
	a, err := r.apply(err)
	if err == nil || errors.Is(err, extension.ErrStays) {
		r.audit(done.Kind+".undo", done.Account, done.Before, done.After)
	}
	if err != nil {
		return err
	}
	r.json(http.StatusOK, undoneJSON{done.Undoes, done.Kind, done.Verb, done.Account, changedFields(done), a})
	return nil
}
