import Glibc
package import Logging

/// Messages to standard error: for a person with time and level, for journald with the priority in front that sd-daemon(3)
/// describes.
package enum Log {
    /// Makes this process's logger. `level` is one of swift-log's: trace, debug, info, notice, warning, error, critical.
    package static func start(label: String, level: String) -> Logger {
        // Read now: in the sandbox there is no /usr/share/zoneinfo.
        tzset()
        let (isJournal, journal) = (isJournal, isJournal ? JournalSocket() : nil)
        var logger = Logger(label: label) { StandardErrorHandler(label: $0, isJournal: isJournal, journal: journal) }
        logger.logLevel = Logger.Level(rawValue: level) ?? .info
        return logger
    }

    /// Whether standard error is the journal's stream: JOURNAL_STREAM names its device and inode (systemd.exec(5)).
    private static var isJournal: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(2, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }
}

private struct StandardErrorHandler: LogHandler {
    let label: String
    let isJournal: Bool
    /// For what has fields of its own; nil: it is in the line like everything else.
    let journal: JournalSocket?
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let sorted = all.sorted { $0.key < $1.key }
        let details = sorted.map { " \($0.key)=\($0.value)" }.joined()
        // One line of plain text, whatever is in it: nobody writes a second log entry, or to the terminal that shows it, by
        // way of a name.
        let text = plain("\(event.message)\(details)")
        let fields = sorted.filter { $0.key.isFieldName }.map { (name: $0.key, value: plain("\($0.value)")) }
        if !fields.isEmpty, let journal,
            journal.send(text, priority: priority(event.level), label: label, fields: fields)
        {
            return
        }
        let head = isJournal ? "<\(priority(event.level))>" : "\(timestamp()) \(event.level) "
        let line = Array("\(head)\(label): \(text)\n".utf8)
        _ = write(2, line, line.count)
    }

    private func plain(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map {
                    switch $0.properties.generalCategory {
                    case .control, .lineSeparator, .paragraphSeparator: " "
                    default: $0
                    }
                }))
    }

    /// syslog(3).
    private func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    private func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%H:%M:%S", &parts)
        return String(decoding: text[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension String {
    /// As journald takes the name of a field (systemd.journal-fields(7)).
    fileprivate var isFieldName: Bool { utf8.allSatisfy { (0x41...0x5a).contains($0) } }
}
