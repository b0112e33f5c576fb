// Jobs: a durable queue in nestbox.db, and the children that work it off. Contents, in order:
//
//   JobsTable          tables and the row of a job
//   EmbeddedJobQueue   submit, look up, cancel, retry, log
//     +Leases          lease, renew, finish; what happens to attempts that end without a word
//   RetryPolicy        how long a retry waits
//   JobLog             one bounded log file per job, read in whole lines
//   JobRunner          the service in the server: waits for due jobs and runs each in a child process
//     WorkerChild      one child: its pipe, its limits, its end
//   Worker             the loop inside `nestbox worker`: lease, renew, run the handler, finish
//     ShippedLog     its lines, on their way from another machine to the job's log
//   WorkerProcess      manners of a worker's process: dies with its parent, yields to the server, stops on SIGTERM
//
// Jobs of kind `reproduce` are left to whoever submitted them: their work is a command, and no worker runs one for others.
//
// It refuses to know what a job does: payloads and results are JSON, handlers are handed in.
//
// States: queued → running → succeeded | failed | cancelled; a lost or failed attempt goes back to queued while attempts
// are left. A lease carries a token; whoever holds an older one is refused, so that no attempt ends twice.
