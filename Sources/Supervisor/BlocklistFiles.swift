import Address
import Glibc
import Machine
import Policy
import Reactor

/// The names and networks of blocklists, each list's in a file of its own: they outlast a restart, and a revision of before finds
/// what it had.
///
/// Belongs to the gateway and its thread.
final class BlocklistFiles {
    /// Names on their way here, which no list has yet.
    private struct Batch {
        let isOfNetworks: Bool
        var text: [UInt8] = []
        var count = 0
        let start = ContinuousClock.now
    }

    private let directory: String
    /// The networks of lists that somebody asked about, by their contents.
    private var ranges: [String: AddressRanges] = [:]
    private var batches: [String: Batch] = [:]

    /// An import brings all its lists before it makes one of them.
    private static let mostBatches = 64
    /// A batch that nobody goes on with.
    private static let patience: Duration = .seconds(600)
    private static let mostBytes = Message.limit / 2
    /// Of all batches together.
    private static let mostBytesOnTheWay = 4 * mostBytes
    /// Files that no list in force has, kept for revisions of before.
    private static let mostFormer = 16

    init(directory: String) {
        self.directory = directory + "/blocklists"
    }

    /// Adds names to a batch, or begins one.
    ///
    /// - Parameter names: in lower case; a dot before one says that it stands for all that is below it, too.
    /// - Returns: the batch, and how many names it has.
    func bring(_ names: [String], to batch: String?) throws(Refusal) -> (batch: String, count: Int) {
        try bring(to: batch, ofNetworks: false) { (content) throws(Refusal) in
            for name in names {
                let plain = name.hasPrefix(".") ? String(name.dropFirst()) : name
                guard case .name(let normal) = try Host(plain), normal == plain else {
                    throw Refusal("\"\(plain.prefix(64))\" is no name in lower case")
                }
                content.text += name.utf8
                content.text.append(UInt8(ascii: "\n"))
            }
            content.count += names.count
        }
    }

    /// The same with networks, one in each line.
    func bring(networks lines: [UInt8], to batch: String?) throws(Refusal) -> (batch: String, count: Int) {
        try bring(to: batch, ofNetworks: true) { (content) throws(Refusal) in
            for line in TextLines(lines) where !line.isEmpty {
                guard Network(utf8: line) != nil else {
                    throw Refusal("\"\(String(decoding: line.prefix(64), as: UTF8.self))\" is no network")
                }
                content.text += line
                content.text.append(UInt8(ascii: "\n"))
                content.count += 1
            }
        }
    }

    private func bring(
        to batch: String?, ofNetworks isOfNetworks: Bool, _ add: (inout Batch) throws(Refusal) -> Void
    ) throws(Refusal) -> (batch: String, count: Int) {
        batches = batches.filter { ContinuousClock.now - $0.value.start < Self.patience }
        let key = batch ?? Self.identifier()
        guard batches[key] != nil || batches.count < Self.mostBatches else {
            throw Refusal("\(Self.mostBatches) blocklists are being added at once; try again when one is done")
        }
        // Taken out, so that its text is not copied with each part.
        let known = batches.removeValue(forKey: key)
        guard var content = batch == nil ? Batch(isOfNetworks: isOfNetworks) : known,
            content.isOfNetworks == isOfNetworks
        else { throw Refusal("there is no such batch \(key) any more; begin anew") }
        try add(&content)
        guard content.text.count <= Self.mostBytes else {
            throw Refusal("a blocklist has at most \(Self.mostBytes >> 20) MiB; make two of it")
        }
        let others = batches.reduce(0) { $0 + $1.value.text.count }
        guard others + content.text.count <= Self.mostBytesOnTheWay else {
            throw Refusal("too much is being brought at once; try again when other blocklists are done")
        }
        batches[key] = content
        return (key, content.count)
    }

    /// Keeps a batch as the names of a list.
    ///
    /// - Parameter former: the list in whose place it comes: the same names are found by what they were found by.
    func keep(
        batch: String, ofNetworks isOfNetworks: Bool, former: Blocklist? = nil
    ) throws(Refusal) -> (content: String, count: Int) {
        guard let found = batches.removeValue(forKey: batch), found.isOfNetworks == isOfNetworks else {
            throw Refusal("there is no such batch \(batch) any more; begin anew")
        }
        if let former, Self.isIdentifier(former.content), StateFile.read(path(of: former.content)) == found.text {
            return (former.content, found.count)
        }
        mkdir(directory, 0o700)
        do throws(Errno) {
            try StateFile.write(found.text, to: path(of: batch))
        } catch {
            throw Refusal("the names cannot be kept in \(directory): \(error)")
        }
        return (batch, found.count)
    }

    /// The names of a list in a sealed memfd, a line for each; nil: they are not there.
    func memory(of content: String) -> Descriptor? {
        guard Self.isIdentifier(content), let text = StateFile.read(path(of: content)) else { return nil }
        return try? SealedMemory.create(text)
    }

    /// The networks of a list, which stay in memory until the next lists are in force.
    func networks(in content: String) -> AddressRanges {
        if let known = ranges[content] { return known }
        guard Self.isIdentifier(content), let text = StateFile.read(path(of: content)) else { return .none }
        let found = AddressRanges(lines: text)
        ranges[content] = found
        return found
    }

    /// Whether a list has `name`, or a name above it with all that is below.
    func has(_ name: String, in content: String) -> Bool {
        guard Self.isIdentifier(content), var text = StateFile.read(path(of: content)) else { return false }
        text.insert(UInt8(ascii: "\n"), at: 0)
        text.append(0)
        var rest = Substring(name)
        var lines = ["\n\(name)\n"]
        while !rest.isEmpty {
            lines.append("\n.\(rest)\n")
            rest = rest.drop { $0 != "." }.dropFirst()
        }
        return text.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { return false }
                return lines.contains { strstr(start, $0) != nil }
            }
        }
    }

    /// Some names of a list, in the order in which they came; empty: there are no more, or they are not there.
    func names(of list: Blocklist, from start: Int, atMost count: Int) -> [String] {
        guard Self.isIdentifier(list.content), let text = StateFile.read(path(of: list.content)) else { return [] }
        return text.split(separator: UInt8(ascii: "\n")).dropFirst(start).prefix(count)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The texts of these lists, by what finds them.
    func texts(of lists: [Blocklist]) -> [String: String] {
        var texts: [String: String] = [:]
        for list in lists where Self.isIdentifier(list.content) {
            guard let bytes = StateFile.read(path(of: list.content)) else { continue }
            texts[list.content] = String(validating: bytes, as: UTF8.self)
        }
        return texts
    }

    /// Puts texts back that a backup had. What is there already has the same names.
    func restore(_ texts: [String: String]) throws(Refusal) {
        mkdir(directory, 0o700)
        for (content, text) in texts where Self.isIdentifier(content) && access(path(of: content), R_OK) != 0 {
            do throws(Errno) {
                try StateFile.write(Array(text.utf8), to: path(of: content))
            } catch {
                throw Refusal("the names of a blocklist cannot be kept in \(directory): \(error)")
            }
        }
    }

    /// - Throws: the names of one of `lists` are not there any more.
    func check(_ lists: [Blocklist]) throws(Refusal) {
        for list in lists where !Self.isIdentifier(list.content) || access(path(of: list.content), R_OK) != 0 {
            throw Refusal(
                "the names of the blocklist \(list.name) are not kept any more; add it anew with `gatehousectl blocklist add "
                    + "\(list.name) FILE`")
        }
    }

    /// A batch that was kept is no list's after all.
    func drop(_ content: String) { if Self.isIdentifier(content) { unlink(path(of: content)) } }

    /// `lists` are in force, in place of `former`: removes the files that neither they nor the latest lists of before have.
    func settle(on lists: [Blocklist], insteadOf former: [Blocklist]) {
        ranges = ranges.filter { range in lists.contains { $0.content == range.key } }
        guard lists != former else { return }
        // A file's time is the one at which its list went: a trial that ends wants the one that went last.
        for list in former where !lists.contains(where: { $0.content == list.content }) {
            if Self.isIdentifier(list.content) { utimes(path(of: list.content), nil) }
        }
        tidy(keeping: lists)
    }

    private func tidy(keeping lists: [Blocklist]) {
        let kept = Set(lists.map(\.content))
        var former: [(name: String, time: Int)] = []
        for name in Directory.names(in: directory) where Self.isIdentifier(name) && !kept.contains(name) {
            var status = stat()
            if stat(path(of: name), &status) == 0 { former.append((name, status.st_mtim.tv_sec)) }
        }
        for file in former.sorted(by: { $0.time > $1.time }).dropFirst(Self.mostFormer) { unlink(path(of: file.name)) }
    }

    private func path(of content: String) -> String { "\(directory)/\(content)" }

    private static func identifier() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// A name of a file that `identifier` made, and of no other.
    private static func isIdentifier(_ text: String) -> Bool {
        text.utf8.count == 16 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
