import Address
import Glibc
import Logging
import Machine
import Policy
import Reactor

/// The addresses that the devices of served zones are given: dnsmasq, kept alive and up to the policy in force.
extension Gateway {
    /// What dnsmasq is to do where `target` is the policy in force; nil: nothing.
    func service(of target: Policy) -> ServiceConfiguration? {
        let estate = estate(of: target)
        var open = estate.policy
        open.listeners = estate.live.map(\.listener)
        return ServiceConfiguration(policy: open, surroundings: surroundings)
    }

    /// Has dnsmasq do what the policy in force asks for. One whose file stays the same is left alone.
    func serve() {
        guard isServiceDue else { return }
        guard let former = companion.want(isStopping ? nil : service(of: policy)) else { return }
        let pid = former.pid
        Task(executorPreference: reactor.taskExecutor) { await self.endCompanion(pid) }
    }

    /// Kills a process that does not end though it was asked to.
    private func endCompanion(_ pid: Int32) async {
        await reactor.sleep(for: Companion.patience)
        if let process = companion.process, process.pid == pid { process.signal(SIGKILL) }
    }

    /// Keeps dnsmasq alive while there is somebody to serve.
    func tendService() async {
        // Devices that have their addresses go on by the kernel's rules, and there have to be some first.
        await waitForDoor()
        isServiceDue = true
        serve()
        while !isStopping {
            guard companion.wanted != nil else {
                await companion.waitForChange()
                continue
            }
            do throws(Refusal) {
                try await companion.launch()
                Task(executorPreference: reactor.taskExecutor) { await self.hearCompanion() }
                guard await companion.finish(), !isStopping else { continue }
                log.error("dnsmasq \(companion.lastEnd); restarting it")
            } catch {
                companion.didFailToStart(error)
                log.error("\(error)")
            }
            await companion.waitForChange(atMost: companion.nextPause())
        }
        companion.process?.signal(SIGTERM)
    }

    private func hearCompanion() async {
        if let process = companion.process { await companion.hear(process, log) }
    }

    /// Knows of each lease within a second or two. Also where nobody is served: leases from before are still held.
    func followLeases() async {
        var file = LeaseFile(companion.leasePath)
        while !isStopping {
            if let table = file.readIfChanged() {
                if let garbage = table.garbage, garbage != leases.garbage { log.warning("\(garbage)") }
                leases = table
                // Devices are called as they call themselves when they ask for an address.
                lookAtNeighboursSoon()
            }
            await reactor.sleep(for: .milliseconds(500))
        }
    }

    /// What is given out behind each interface that is served.
    var servedLinks: [(link: ServedLink, taken: Int)] {
        let now = Int(time(nil))
        let held = leases.leases.filter { $0.isValid(at: now) }
        return (companion.wanted?.links ?? []).map { link in
            (link, held.count { link.range?.contains($0.address) == true })
        }
    }

    /// What the operator should look at.
    var serviceWarnings: [String] {
        guard companion.wanted != nil else { return [] }
        var warnings: [String] = []
        if companion.isCrashLooping || companion.state == .failed {
            warnings.append(
                Companion.portObstacle.map { "nobody is given an address: \($0)" }
                    ?? "nobody is given an address: dnsmasq \(companion.lastEnd)")
        }
        let links = servedLinks
        warnings += companion.complaints.warnings(at: .now) { interface in
            links.first { $0.link.interface == interface }.map { ($0.taken, $0.link.range?.count ?? 0, $0.link.zone) }
        }
        if let garbage = leases.garbage { warnings.append("\(garbage)") }
        return warnings
    }
}
