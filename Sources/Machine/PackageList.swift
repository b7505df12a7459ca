import Glibc

/// The Debian packages of this machine, as dpkg(1) and apt(8) keep them in files. Nobody is asked, here or on the internet.
package struct PackageList: Sendable {
    /// A package that is installed.
    package struct Entry: Hashable, Sendable {
        package var name: String
        package var architecture: String
        package var version: PackageVersion
    }

    private let dpkg: String
    private let lists: String

    /// - Parameters:
    ///   - dpkg: where dpkg keeps what is installed.
    ///   - lists: where apt keeps what there is.
    package init(dpkg: String = "/var/lib/dpkg", lists: String = "/var/lib/apt/lists") {
        (self.dpkg, self.lists) = (dpkg, lists)
    }

    // MARK: - What is installed

    /// The packages that these files are of, by file. A file of no package is not named.
    package func owners(of files: Set<String>) -> [String: Entry] {
        // dpkg knows a file by the path of before /usr and / became one.
        var wanted: [[UInt8]: String] = [:]
        for file in files {
            wanted[Array(file.utf8)] = file
            if file.hasPrefix("/usr/") { wanted[Array(file.dropFirst(4).utf8)] = file }
        }
        guard !wanted.isEmpty else { return [:] }
        let lengths = Set(wanted.keys.map(\.count))
        var names: [String: String] = [:]
        for list in Directory.names(in: "\(dpkg)/info").sorted() where list.hasSuffix(".list") {
            Self.lines(of: "\(dpkg)/info/\(list)") { line in
                guard lengths.contains(line.count), let file = wanted[Array(line)] else { return }
                names[file] = String(list.dropLast(5))
            }
            if names.count == files.count { break }
        }
        let installed = entries(named: Set(names.values.map(Self.bareName)))
        return names.compactMapValues { name in
            let parts = name.split(separator: ":")
            return installed.first {
                $0.name == parts[0] && (parts.count == 1 || parts[1] == $0.architecture)
            }
        }
    }

    private static func bareName(_ name: String) -> String { String(name.prefix { $0 != ":" }) }

    private func entries(named names: Set<String>) -> [Entry] {
        var found: [Entry] = []
        Self.stanzas(of: "\(dpkg)/status", named: names) { name, fields in
            guard fields["Status"]?.hasSuffix(" installed") == true, let version = fields["Version"] else { return }
            found.append(
                Entry(name: name, architecture: fields["Architecture"] ?? "", version: PackageVersion(version)))
        }
        return found
    }

    // MARK: - What there is

    /// What apt's lists say of the security updates of some packages.
    package struct Updates: Hashable, Sendable {
        /// The versions that there are and that are newer, by package.
        package var pending: [Entry: PackageVersion] = [:]
        /// When the lists were fetched, in seconds since 1970; nil: there are none that can be read, so nothing is known.
        package var time: Int?
    }

    /// Pending updates of `packages`, from the lists of apt's security archives alone.
    package func securityUpdates(of packages: Set<Entry>) -> Updates {
        var updates = Updates()
        let names = Set(packages.map(\.name))
        for list in Directory.names(in: lists).sorted() where list.contains("security") && list.contains("_Packages") {
            let path = "\(lists)/\(list)"
            var status = stat()
            guard stat(path, &status) == 0 else { continue }
            updates.time = min(updates.time ?? .max, status.st_mtim.tv_sec)
            guard !names.isEmpty else { continue }
            Self.stanzas(of: path, named: names) { name, fields in
                guard let version = fields["Version"].map(PackageVersion.init) else { return }
                for entry in packages where entry.name == name {
                    let isOther = fields["Architecture"].map { $0 != entry.architecture && $0 != "all" } ?? false
                    guard !isOther, version > max(entry.version, updates.pending[entry] ?? entry.version) else {
                        continue
                    }
                    updates.pending[entry] = version
                }
            }
        }
        return updates
    }

    // MARK: - Files

    /// Calls `body` with each line of a file, which the kernel reads as a whole: the files of dpkg are some ten megabytes.
    private static func lines(of path: String, _ body: (UnsafeRawBufferPointer) -> Void) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size > 0,
            let memory = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, file, 0), memory != MAP_FAILED
        else { return }
        defer { munmap(memory, Int(status.st_size)) }
        lines(in: UnsafeRawBufferPointer(start: memory, count: Int(status.st_size)), body)
    }

    private static func lines(in text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard var start = text.baseAddress else { return }
        let end = start + text.count
        while start < end {
            let stop = memchr(start, 0x0a, end - start).map { UnsafeRawPointer($0) } ?? end
            body(UnsafeRawBufferPointer(start: start, count: stop - start))
            start = stop + 1
        }
    }

    /// What apt's own program makes of a list that apt keeps compressed (Acquire::GzipIndexes, apt.conf(5)).
    private static func unpacked(_ path: String) -> [UInt8] {
        guard path.utf8.allSatisfy({ $0 != UInt8(ascii: "'") }),
            let pipe = popen("/usr/lib/apt/apt-helper cat-file '\(path)' 2>/dev/null", "re")
        else { return [] }
        defer { pclose(pipe) }
        var (bytes, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 18))
        while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    /// Calls `body` with the fields of the stanzas (deb822(5)) of these packages.
    private static func stanzas(
        of path: String, named names: Set<String>, _ body: (String, [String: String]) -> Void
    ) {
        let heads = Dictionary(names.map { (Array("Package: \($0)".utf8), $0) }) { first, _ in first }
        let lengths = Set(heads.keys.map(\.count))
        var current: (name: String, fields: [String: String])?
        func read(_ line: UnsafeRawBufferPointer) {
            if let stanza = current {
                guard line.isEmpty else {
                    let text = String(decoding: line, as: UTF8.self)
                    guard let colon = text.firstIndex(of: ":"), text.first != " " else { return }
                    current?.fields[String(text[..<colon])] = String(
                        text[text.index(after: colon)...].drop { $0 == " " })
                    return
                }
                body(stanza.name, stanza.fields)
                current = nil
                return
            }
            guard lengths.contains(line.count), line.first == UInt8(ascii: "P"), let name = heads[Array(line)] else {
                return
            }
            current = (name, [:])
        }
        if path.hasSuffix("status") || path.hasSuffix("_Packages") {
            lines(of: path, read)
        } else {
            unpacked(path).withUnsafeBytes { lines(in: $0, read) }
        }
        if let current { body(current.name, current.fields) }
    }
}
