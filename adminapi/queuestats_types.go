package adminapi

// The answers of the kept statistics of queues, for the document. The keys of rows differ from report to report.

type queueListBody struct {
	Data []map[string]string `json:"data"`
}

type queueReportBody struct {
	Page    string              `json:"page"`
	Total   string              `json:"total"`
	Records string              `json:"records"`
	Rows    []map[string]string `json:"rows"`
}

type callEventsBody struct {
	Pages   string              `json:"totalpages"`
	Page    string              `json:"currpage"`
	Records string              `json:"totalrecords"`
	Data    []map[string]string `json:"data"`
}

type queuesNowBody struct {
	Waiting map[string]map[string]map[string]string `json:"waiting calls"`
	Summary map[string]map[string]map[string]string `json:"summary"`
	Agents  map[string]map[string]map[string]string `json:"agents"`
}
