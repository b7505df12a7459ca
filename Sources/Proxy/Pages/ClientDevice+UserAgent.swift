import Policy

extension ClientDevice {
    /// The kind of device that a browser says it runs on (RFC 9110 §10.1.5); nil: none that is known. It decides what stands first on
    /// a page, and nothing else. iPads say that they are Macs.
    init?(userAgent: some Collection<UInt8>) {
        let text = String(decoding: userAgent, as: UTF8.self)
        // Android says Linux, too.
        let marks: [(String, ClientDevice)] = [
            ("iPhone", .ios), ("iPad", .ios), ("Android", .android), ("Windows", .windows), ("Macintosh", .macos),
            ("Linux", .linux),
        ]
        guard let device = marks.first(where: { text.contains($0.0) })?.1 else { return nil }
        self = device
    }
}
