// Core: what every other module may lean on. Contents, in order:
//
//   NestboxError        the one error type that crosses a module boundary
//   Timestamp           milliseconds since 1970, as stored, sent and printed
//   Ambient             injected clock and randomness; identifiers are made from both
//   SeededGenerator     reproducible random numbers for engines and tests
//   JSONValue, JSON     any JSON value; shared coders whose errors name the place; values written by hand
//   JSONReader          bytes -> JSONValue in one pass, within a depth; JSONValueDecoder goes on to Codable types
//   YAMLText            YAML from outside, within limits
//   Settings            configuration: flags > environment NESTBOX_* > nestbox.yaml
//   MachineMemory       how much memory this process may use
//   ComputePool         threads for compute and blocking calls, apart from the cooperative pool
//   DurableFile         temporary name, sync, rename, sync of the directory
//   Lease on a folder   DirectoryLock: one server per data directory
//   OpenFiles           the limit of open files and sockets
//
// Foundation and swift-log are the only imports here besides Yams, which reads nestbox.yaml, recipes and definitions.
