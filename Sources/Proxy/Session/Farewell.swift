import Reactor

/// How a conversation ends that becomes no tunnel.
enum Farewell: Error {
    /// With these last words; empty: without a word.
    case words([UInt8])
    /// With this response to a request that may still be on its way: as `finished`.
    case answer([UInt8])
    /// With the response that the client has got. What the client sends beyond that is read over, for as long as it goes on sending, or a
    /// RST might overtake the response.
    case finished
    /// By a RST, since what the client has got must not look whole.
    case reset
    /// The client is gone already.
    case gone

    static let silent = Farewell.words([])
}

extension Session {
    /// Ends the client's connection so that what was said last arrives: closing over unread bytes would send a RST, which may overtake
    /// it (RFC 9112 §9.6). Bounded in time and in bytes, whatever the client does. The connection closes when it is let go of.
    func close(_ client: Connection, with farewell: Farewell, on reactor: Reactor) async {
        switch farewell {
        case .words(let words) where words.isEmpty:
            // TLS has an end of its own, which is to be said (RFC 8446 §6.1).
            guard client.socket.isSecure else { return }
            enter(.farewell)
            await client.socket.finish()
        case .words(let words):
            enter(.farewell)
            guard (try? await client.socket.write(words)) != nil else { return }
            await finish(client, within: .zero, bytes: 1 << 20)
        case .answer(let response):
            enter(.farewell)
            guard (try? await client.socket.write(response)) != nil else { return }
            await close(client, with: .finished, on: reactor)
        case .finished: await finish(client, within: sessions.limits.lingering, bytes: 64 << 20)
        case .reset: await client.socket.reset(within: sessions.limits.farewell, on: reactor)
        case .gone: client.socket.resetOnClose()
        }
    }

    /// - Parameter limit: for so long the client may go on sending; `zero`: no longer than `Phase.farewell` says.
    private func finish(_ client: Connection, within limit: Duration, bytes: Int) async {
        enter(.farewell)
        await client.socket.finish()
        let end = ContinuousClock.now + limit
        await client.socket.drain(atMost: bytes) { if ContinuousClock.now < end { enter(.farewell) } }
    }
}
