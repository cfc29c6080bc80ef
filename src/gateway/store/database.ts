/** Runs SQL on either database: plain statements, and transactions that no other statement gets into. */
import type { SQL } from "bun";

/** Runs tagged templates; inside a transaction it is the transaction's. */
export type Queryable = SQL;

/** Has statements wait for another process that holds the database, or fail at once. */
export type SetPatience = (sql: Queryable, waits: boolean) => Promise<void>;

/** An open database. Owned by the opened folder, which closes it. Methods reject with the driver's error. */
export class Database {
  readonly #sql: SQL;
  readonly #singleConnection: boolean;
  readonly #setPatience: SetPatience | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  /**
   * @param singleConnection true where all statements share one connection (SQLite): a statement from elsewhere would
   * then run inside an open transaction, and be undone with it although its caller was told that it is done
   * (measured on Bun 1.4.5), so they take turns.
   * @param setPatience for a driver that blocks the thread while a statement waits (SQLite's)
   */
  constructor(sql: SQL, options: { singleConnection: boolean; setPatience?: SetPatience }) {
    this.#sql = sql;
    this.#singleConnection = options.singleConnection;
    this.#setPatience = options.setPatience;
  }

  /** Runs one statement or several that need not be atomic. */
  run<T>(work: (sql: Queryable) => Promise<T>): Promise<T> {
    return this.#inTurn(() => work(this.#sql));
  }

  /** Runs the work in one transaction: all of it is kept, or where it throws nothing. Use only the `sql` it gets. */
  transaction<T>(work: (sql: Queryable) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#begin(work));
  }

  /** As `transaction`, for work that can be tried again: rejects at once where another process holds the database. */
  transactionNow<T>(work: (sql: Queryable) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await this.#setPatience?.(this.#sql, false);
      try {
        return await this.#begin(work);
      } finally {
        await this.#setPatience?.(this.#sql, true);
      }
    });
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#sql.close();
  }

  // --- internal ---

  async #begin<T>(work: (sql: Queryable) => Promise<T>): Promise<T> {
    let result: { value: T } | undefined;
    await this.#sql.begin(async (sql) => {
      result = { value: await work(sql) };
    });
    if (!result) throw new Error("the transaction did not run");
    return result.value;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#singleConnection) return work();
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {}); // its caller hears of the error; the next one goes on
    return done;
  }
}
