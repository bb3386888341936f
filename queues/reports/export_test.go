package reports

import "context"

// Rows is PageOfRows without a page.
func (s *Service) Rows(ctx context.Context, who Scope, f Filter, answered bool) ([]Row, error) {
	rows, _, err := s.PageOfRows(ctx, who, f, answered, Page{})
	return rows, err
}
