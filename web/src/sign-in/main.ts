import './sign-in.css';
import { closingMenus } from '../lib/menus';

closingMenus();
