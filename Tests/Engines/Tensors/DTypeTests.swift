import Tensors
import Testing

@Suite struct DTypeTests {
    @Test func rowsEndWithABlock() {
        #expect(DType.q4_1.rowBytes(576) == 18 * 20)
        #expect(DType.q4_1.rowBytes(40) == nil)
        #expect(DType.q6_K.rowBytes(512) == 420)
        #expect(DType.f32.rowBytes(3) == 12)
        #expect(DType.f32.rowBytes(Int.max) == nil)
        #expect(DType.f32.rowBytes(-1) == nil)
    }

    @Test(arguments: DType.allCases) func namesAreThoseOfTheTools(_ type: DType) {
        #expect(type.name.first == "F" || type.name.first == "I" || type.name.first == "Q" || type.name.first == "B")
        #expect(type.isQuantized == (type.blockElements > 1))
    }
}
