import Glibc

/// Encrypts a socket's bytes, between the kernel and the tasks and tunnels that read and write here. How it does so is not the
/// Reactor's to know.
///
/// A layer uses the socket's descriptor by itself and belongs to the thread of the socket's reactor. It keeps what it could not
/// send yet, and counts the bytes as not taken: the caller has to give the same bytes to `write` again.
package protocol SecureLayer: AnyObject {
    /// Takes the handshake as far as it goes; 0 once it is done.
    func shakeHands() -> SecureStep
    /// Decrypts what has come. A count of 0 says that the peer has announced its end. An end of the stream without that is
    /// ECONNRESET: somebody may have cut it (RFC 8446 §6.1).
    func read(into buffer: UnsafeMutableRawBufferPointer) -> SecureStep
    /// Encrypts and sends.
    func write(_ bytes: UnsafeRawBufferPointer) -> SecureStep
    /// Announces the end of what this side sends; 0 once that has gone out.
    func sendClose() -> SecureStep
    /// The kernel encrypts: what is written or spliced to the descriptor itself goes out as it should.
    var kernelSends: Bool { get }
}

/// The result of a call on a layer.
package struct SecureStep {
    package enum Want: Sendable {
        case nothing, reading, writing
    }

    /// Plain bytes; or -errno, which is -EAGAIN if nothing can be done before the socket is ready for `want`.
    package var count: Int
    /// What the socket has to be ready for before the call can go on. A read may need a write first, and the other way round
    /// (RFC 8446 §4.6.3).
    package var want: Want

    package init(_ count: Int, _ want: Want = .nothing) {
        self.count = count
        self.want = want
    }

    package static func blocked(on want: Want) -> SecureStep {
        SecureStep(-Int(EAGAIN), want)
    }
}
