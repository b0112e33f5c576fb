/// The ids of the tokens that have a part to play. Those that a vocabulary does not have are nil.
public struct SpecialTokens: Sendable, Equatable {
    public var bos: Int32?
    public var eos: Int32?
    /// The end of a turn in a conversation.
    public var eot: Int32?
    public var unknown: Int32?
    public var padding: Int32?
    public var separator: Int32?
    public var cls: Int32?
    public var mask: Int32?
    /// All tokens at which a model's answer ends.
    public var ends: Set<Int32> = []

    /// Control tokens at which answers end in models whose files name only one `eos`.
    static let namesOfEnds = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>",
        "<EOT>", "<|end_of_text|>", "<end_of_utterance>", "<|eot|>", "<turn|>",
    ]
}
