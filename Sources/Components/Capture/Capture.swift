// Capture: what a run was made with, found out on the machine where it begins. In order:
//
//   EnvironmentCapture  everything together
//   GitCapture          commit, and a patch of what differs from it
//   PythonPackages      which Python, and what is installed for it
//   MachineFacts        processor, memory, system, accelerators
//   Secrets             what must not be captured: variables, arguments, files and addresses that may hold secrets
//   GitWorktree         a commit and a patch laid out again, to run in
//   PythonRebuild       a Python with the packages that a run had
//   Tool                other programs: git, Python, and the command of a run
//
// It refuses to fail: what cannot be found out becomes a note, because a run is worth more than its description. It
// changes nothing in the checkout, neither the index nor the object store.
