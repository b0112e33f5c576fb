/// Keeps garbage collection and uploads of the same contents apart.
///
/// An upload uses a digest from before its contents are in place until its row is committed; garbage collection claims a
/// digest, looks at the rows again, and only then removes the contents. So contents are never removed between an upload's
/// rename and its row, and an upload whose contents are just being removed waits and then puts its own copy in place.
actor DigestGate {
    private var uses: [String: Int] = [:]
    private var claims: Set<String> = []
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    /// Waits while the digest is claimed.
    func use(_ digest: String) async {
        while claims.contains(digest) {
            await withCheckedContinuation { waiting[digest, default: []].append($0) }
        }
        uses[digest, default: 0] += 1
    }

    func release(_ digest: String) {
        let left = uses[digest, default: 1] - 1
        uses[digest] = left == 0 ? nil : left
    }

    /// False when the digest is in use or claimed already.
    func claim(_ digest: String) -> Bool {
        guard uses[digest] == nil, !claims.contains(digest) else { return false }
        claims.insert(digest)
        return true
    }

    func unclaim(_ digest: String) {
        claims.remove(digest)
        for continuation in waiting.removeValue(forKey: digest) ?? [] { continuation.resume() }
    }
}
