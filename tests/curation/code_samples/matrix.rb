# frozen_string_literal: true

module Numbers
  class Matrix
    def initialize(rows)
      @rows = rows
    end

    # Swaps rows and columns of the matrix.
    # @return [Matrix]
    def transpose
      # every column of the old one becomes a row
      Matrix.new(@rows.first.each_index.map { |i| @rows.map { |row| row[i] } })
    end

    def self.identity(n)
      Matrix.new((0...n).map { |i| (0...n).map { |j| i == j ? 1 : 0 } })
    end

    def rows
      @rows
    end
  end
end
