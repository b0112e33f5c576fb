import NIOCore

/// Closes a connection some time after its server began to stop, whatever is under way on it: half of an upload, or an
/// answer that nobody reads, would otherwise hold the stop up for as long as the other side likes.
final class CloseAfterGrace: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private let grace: TimeAmount
    private var closing: Scheduled<Void>?

    init(_ grace: TimeAmount) { self.grace = grace }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, closing == nil {
            let channel = context.channel
            closing = context.eventLoop.scheduleTask(in: grace) { channel.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        closing?.cancel()
        closing = nil
    }
}
