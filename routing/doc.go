// Package routing knows which carriers take the call to a number, in which order, how each is sent the number, and who of them
// asks more than is charged. It keeps all carriers and routes in memory; what they ask it finds in the rate decks of package
// tariff. It dials nobody, and counts no calls: how many a carrier may have at once is decided where the money is held.
//
// A [Table] is all carriers and routes at one moment and does not change; a [Routes] holds the newest one and takes another in its
// place. What explains a route to people is what decides for calls.
package routing
