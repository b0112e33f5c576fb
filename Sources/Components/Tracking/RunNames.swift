import Core

/// A readable name for a run that was given none: `brisk-heron-412`.
enum RunNames {
    private static let adjectives = [
        "able", "amber", "bold", "brisk", "calm", "clever", "crisp", "daring", "eager", "fair", "fleet", "gentle",
        "glad",
        "honest", "keen", "kind", "lively", "lucid", "merry", "mighty", "nimble", "patient", "quick", "quiet", "rapid",
        "sharp", "silent", "steady", "sunny", "swift", "tidy", "vivid",
    ]
    private static let nouns = [
        "auk", "bee", "bittern", "crane", "curlew", "dove", "egret", "falcon", "finch", "gannet", "gull", "hawk",
        "heron",
        "ibis", "jay", "kestrel", "kite", "lark", "linnet", "martin", "merlin", "oriole", "osprey", "owl", "plover",
        "puffin",
        "raven", "robin", "snipe", "sparrow", "swallow", "wren",
    ]

    static func make(_ ambient: Ambient) -> String {
        let bits = ambient.randomBits()
        let adjective = adjectives[Int(bits % UInt64(adjectives.count))]
        let noun = nouns[Int((bits >> 8) % UInt64(nouns.count))]
        return "\(adjective)-\(noun)-\((bits >> 16) % 1000)"
    }
}
