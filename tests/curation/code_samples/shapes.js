'use strict';

/**
 * Computes the area of a shape.
 * @param {Shape} shape any closed shape
 */
export function areaOf(shape) {
  // walk around the border and add up the triangles
  let sum = 0;
  for (const [a, b] of shape.edges()) {
    // eslint-disable-next-line no-mixed-operators
    sum += a.x * b.y - b.x * a.y;
  }
  return Math.abs(sum) / 2;
}

const scale = (factor) => {
  return (shape) => shape.map((point) => point * factor);
};

class Circle {
  constructor(radius) {
    this.radius = radius;
  }

  static unit() {
    const one = 1;
    return new Circle(one);
  }

  grow = (by) => {
    this.radius += by;
    return this;
  };

  async shrink(by) {
    await null;
    this.radius -= by;
  }
}

/** Sums the sides of a polygon. */
exports.perimeter = function (sides) {
  return sides.reduce((a, b) => a + b, 0);
};

Circle.prototype.legacy = function () {
  return 2 * Math.PI * this.radius;
};

module.exports = { areaOf, scale };
