package example.shop;

import java.util.List;

/** Keeps what is in stock. */
public class Inventory {
    private final String owner;

    public Inventory(String owner) {
        this.owner = owner;
    }

    /**
     * Counts the items that are left on a shelf.
     *
     * @param shelf the {@code shelf} to look at
     * @return their <b>number</b>
     */
    @Deprecated
    public int countItems(List<Integer> shelf) throws LostItem {
        int total = 0;
        // go through the boxes from the top
        // to the bottom of it
        for (int box : shelf) {
            total += box; // sum
        }
        // total = total * 2;
        return total;
    }

    public String getOwner() {
        return this.owner;
    }

    @Override
    public String toString() {
        return "Inventory of " + owner;
    }

    static class Shelf {
        void put(int item) {
            System.out.println(item);
        }
    }
}
