namespace Shop {
  export function parse(text: string): Row;
  export function parse(text: any): Row {
    return JSON.parse(String(text)) as Row;
  }

  export class Store<T> {
    private rows: T[] = [];

    /** Loads every row of the store. */
    @Cached()
    async load(table: string): Promise<T[]> {
      const table = this.table;
      const query = `select *
      from ${table}`;
      this.rows = await this.run(query);
      return this.rows;
    }

    size(): number {
      return this.rows;
    }
  }
}

export const toPairs = <K, V>(map: Map<K, V>): [K, V][] => [...map.entries()];
