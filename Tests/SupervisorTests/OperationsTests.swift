import Admin
import Testing

@testable import Supervisor

@Suite("The operations")
struct OperationsTests {
    @Test("Each call of the interface is carried out, once")
    func completeness() {
        let called = Interface.calls.map { $0.name }
        let carriedOut = Operations.all.map { $0.call.name }
        #expect(carriedOut.sorted() == called.sorted())
    }
}
