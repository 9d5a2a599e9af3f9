// Memory that is cheap to simulate, whatever its size: a word is written at a clock, and the word at
// `read_place` is there at once. It holds anything until it is written.
module simulated_memory #(
    parameter PLACE = 10,
    parameter WIDTH = 32
) (
    input clk,
    input write,
    input [PLACE-1:0] write_place,
    input [WIDTH-1:0] written,
    input [PLACE-1:0] read_place,
    output [WIDTH-1:0] read
);
  reg [WIDTH-1:0] words[0:(1<<PLACE)-1];

  assign read = words[read_place];
  always @(posedge clk) if (write) words[write_place] <= written;
endmodule
