import Machine
import Reactor

/// What the box says of names, followed: its name servers (resolv.conf(5)) and its hosts (hosts(5)). Both files may be missing,
/// appear late, be replaced, or be links to where nothing is yet.
final class NameFollower {
    /// What a process has been given, so that it gets only what is new to it.
    struct Given {
        let generation: Int
        let servers: NameServerList
        let hostsVersion: Int
    }

    private(set) var servers = NameServerList()
    /// The descriptor of a sealed memfd with the hosts' text; -1: nobody has looked yet.
    private(set) var hosts: Int32 = -1
    /// Counts the hosts' changes.
    private(set) var hostsVersion = 0
    var given: [Role: Given] = [:]
    /// What the journal says is wrong.
    var told: [String] = []
    /// Since when there are addresses of domains that the next daemon would not know of; nil: there are none.
    var unkept: ContinuousClock.Instant?
    /// Rules about a domain of which the kernel does not know all addresses, as the journal says.
    var fullRules: Set<Int> = []

    private var memory: Descriptor?
    private var hostList = HostList()
    private var serverFile = FollowedFile("/etc/resolv.conf", atMost: 64 << 10)
    private var hostFile = FollowedFile("/etc/hosts", atMost: 32 << 20)
    private var serverText: [UInt8] = []
    private var wasEmpty = true
    /// A blocklist of a hundred thousand lines is not to hold the supervisor up.
    private let reader = Workers(count: 1, capacity: 1)

    /// Looks at both files.
    func look() async throws(Errno) {
        if let text = serverFile.readIfChanged() { serverText = text }
        // Also where the text is as it was: an interface that it names may have come.
        let next = NameServerList(parsing: serverText)
        // A file that is being written is empty for a moment.
        if !next.servers.isEmpty || wasEmpty { servers = next }
        wasEmpty = next.servers.isEmpty
        guard let text = hostFile.readIfChanged() else { return }
        let list = try await reader.run { HostList(parsing: text) }
        guard hostsVersion == 0 || list != hostList else { return }
        let memory = try SealedMemory.create(list.text)
        hosts = memory.number
        self.memory = consume memory
        hostList = list
        hostsVersion += 1
    }
}
