package reports_test

import (
	"os"
	"testing"

	"talktime/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
