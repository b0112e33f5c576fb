// Artifacts: files by path over content-addressed storage. Contents, in order:
//
//   DirectoryArtifactStore  the embedded ArtifactStore: contents in sha256/ab/<digest>, paths in nestbox.db
//   ArtifactRows            the table of paths: look-up, children, the rule that a path is a file or a folder, never both
//   UploadFile              a body on its way to disk: hashed while it is written, synced, then renamed into place
//   VerifiedReader          contents on their way out: hashed while they are read, refused at the end when damaged
//   DigestGate              keeps garbage collection away from contents that an upload is about to refer to
//
// It refuses to know what a path means: runs and models choose their own folders.
