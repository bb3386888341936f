package routing

// Table is the newest one; nil before it is known.
func (r *Routes) Table() *Table { return r.table.Load() }
