import Address
import Admin
import Logging
import Policy
import Reactor

/// What goes on at present. It is the relays' to know; here it is asked for and put together.
extension Gateway {
    func sessions(_ request: ListSessions) async throws(AdminError) -> ListSessions.Reply {
        let now = Int(MonotonicClock.nanoseconds / 1000)
        let query = SessionQuery(
            SessionSelection(user: request.user, client: request.client), order: request.order ?? .age,
            limit: request.limit, measuresRates: request.rates ?? false, endedAfter: request.endedAfter, now: now)
        var parts: [SessionList] = []
        for relay in fleet.relays where relay.isRunning {
            do throws(Refusal) {
                parts.append(try await relay.sessions(query))
            } catch {
                // Its sessions have ended with it.
                guard relay.isRunning else { continue }
                throw .refused(error.description)
            }
        }
        return ListSessions.Reply(SessionList(merging: parts, for: query), time: now)
    }

    func endSessions(_ selection: SessionSelection, by author: Author) async throws(AdminError) -> Int {
        guard !selection.isEverything else {
            throw .refused("name the sessions: by their numbers, by user or by client")
        }
        var count = 0
        for relay in fleet.relays where relay.isRunning {
            do throws(Refusal) {
                count += try await relay.endSessions(selection)
            } catch {
                guard relay.isRunning else { continue }
                throw .refused(error.description)
            }
        }
        if count > 0 { log.notice("\(count) sessions ended", metadata: ["author": "\(author.name)"]) }
        return count
    }
}
