// Package callstatistics speaks the interface call_statistics: how many calls there were and how long they lasted by hour, day, week or
// month, the calls themselves as CSV, and the zones of the world by which they are told apart. It reads what a client asks in q, has
// package stats count, and writes the answer in the envelope that clients of the original know. It knows nothing of who asks: whose
// calls it may tell of is handed in.
package callstatistics
