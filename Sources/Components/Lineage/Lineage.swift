// Lineage: what went into what. Contents:
//
//   LineageKey            the name of a node, as people write it
//   LineageFacts          one thing and what it says of where it came from; who else says something of it
//   LineageWalk           from one thing outwards, as far as was asked for
//   OpenLineageSender     committed events → messages to an OpenLineage receiver, in order, none lost
//   OpenLineageReporter   what an event means to OpenLineage: runs, registrations, deployments
//   OpenLineageDatasets   datasets, models and deployments under OpenLineage's names, with their facets
//   OpenLineageEvent      the shapes of its specification
//
// It keeps nothing: what a run read, what it made and what was registered stand where they were recorded, and each is asked
// for through its seam. So there is nothing to be brought up to date, and what was recorded before is there too.
